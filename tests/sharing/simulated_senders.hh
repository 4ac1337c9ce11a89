// Senders: applications and transports of the closed-loop tests, much simplified, in steps
// of half a millisecond.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "base/clock.hh"

namespace pleat::testing {

inline constexpr Duration kStep = std::chrono::microseconds{500};

// What a sender is asked, in this order each step.
class Sender {
  public:
    virtual ~Sender() = default;

    virtual void acknowledged(Instant now, std::int64_t packets) = 0;
    virtual void lost(Instant now, std::int64_t packets) = 0;

    // How many packets it would send now.
    virtual std::int64_t wishes(Instant now) = 0;

    // So many it sent.
    virtual void sent(Instant now, std::int64_t packets) = 0;

    // Are its packets acknowledged?
    virtual bool wants_acknowledgements() const { return true; }

    virtual std::int64_t packet_bytes() const { return 1514; }
};

// What an application gives its transport to send, in bits per second; infinity: all
// that goes.
using ApplicationRate = double;

// TCP with CUBIC's growth after a loss, slow start before, HyStart's early end of it.
class Cubic : public Sender {
  public:
    explicit Cubic(ApplicationRate rate) : rate_{rate} {}

    void acknowledged(Instant now, std::int64_t packets) override;
    void lost(Instant now, std::int64_t packets) override;
    std::int64_t wishes(Instant now) override;
    void sent(Instant now, std::int64_t packets) override;

    void set_rate(ApplicationRate rate) { rate_ = rate; }

  private:
    ApplicationRate rate_;
    double tokens_ = 0.0;  // packets that the application has ready
    std::optional<Instant> last_;
    double window_ = 10.0;
    double slow_until_ = 1e9;  // slow start threshold
    std::int64_t in_flight_ = 0;
    double highest_ = 0.0;  // window at the last loss
    Instant loss_at_;
    Instant recovered_at_;
    std::deque<std::pair<Instant, std::int64_t>> sent_;
    Duration rtt_{};
    std::optional<Duration> least_rtt_;
};

// BBR: paces at the highest rate of delivery of the last ten rounds, probes for more in
// one round of eight, and for the RTT with four packets for 200 ms every 10 s.
class Bbr : public Sender {
  public:
    void acknowledged(Instant now, std::int64_t packets) override;
    void lost(Instant now, std::int64_t packets) override;
    std::int64_t wishes(Instant now) override;
    void sent(Instant now, std::int64_t packets) override;

  private:
    void end_round(Instant now);

    double bandwidth() const;  // packets per second

    std::deque<double> rounds_;  // delivery rates
    std::int64_t delivered_ = 0;
    std::optional<Instant> round_began_;
    std::int64_t round_began_with_ = 0;
    std::int64_t in_flight_ = 0;
    Duration rtt_{};
    std::deque<std::pair<Instant, std::int64_t>> sent_;
    bool starting_ = true;
    double full_bandwidth_ = 0.0;
    int full_rounds_ = 0;
    int phase_ = 0;
    std::optional<Instant> probing_rtt_until_;
    Instant next_rtt_probe_;
    double tokens_ = 10.0;
    std::optional<Instant> last_;
};

// Packets at a rate, whatever becomes of them.
class Datagrams : public Sender {
  public:
    explicit Datagrams(double bits_per_second, std::int64_t bytes = 1514)
        : rate_{bits_per_second}, bytes_{bytes} {}

    void acknowledged(Instant, std::int64_t) override {}

    void lost(Instant, std::int64_t) override {}

    std::int64_t wishes(Instant now) override;

    void sent(Instant, std::int64_t packets) override { tokens_ -= static_cast<double>(packets); }

    bool wants_acknowledgements() const override { return false; }

    std::int64_t packet_bytes() const override { return bytes_; }

  private:
    double rate_;
    std::int64_t bytes_;
    double tokens_ = 1.0;
    std::optional<Instant> last_;
};

}  // namespace pleat::testing
