#include "node/way_measurement.hh"

#include <algorithm>
#include <array>
#include <atomic>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.hh"
#include "base/error.hh"
#include "model/way_latency.hh"
#include "node/dataplane/checksum.hh"
#include "node/dataplane/tunnel/peer_link.hh"
#include "node/dataplane/tunnel/tunnel_socket.hh"

namespace pleat {

namespace {

using namespace std::chrono_literals;

// The socket's own queue must be short, or a burst would go on long after its end.
constexpr int kSendBuffer = 512 << 10;
// How often what may be lost is asked again, and how soon one that was told to give up does.
constexpr Duration kAskAgain = 50ms;
constexpr Duration kLookUp = 50ms;
constexpr Duration kGreetingPatience = 5s;
constexpr Duration kPingPatience = 1s;   // each
constexpr Duration kPingsPatience = 5s;  // all, if some were answered
constexpr Duration kBetweenPings = 10ms;
// A burst is over when so long nothing of it has come; queues on the way may be long.
constexpr Duration kSilence = 300ms;
constexpr Duration kBurstPatience = 4s;
// Sizes are known when a few rounds of hellos have been answered.
constexpr Duration kSizesPatience = 400ms;
// A burst's messages fill one call to the kernel.
constexpr std::size_t kFillerBytes = 60'000;
constexpr std::size_t kUdpHeader = 8;
constexpr std::size_t kIpv4Header = 20;
constexpr std::size_t kIpv6Header = 40;
constexpr int kGoodbyes = 3;
// Two in each direction; no other end can ask for more.
constexpr std::uint32_t kMostBursts = 4;

enum class Kind : std::uint8_t { ping, pong, ask_burst, burst_answer, send_burst, goodbye };

// What a message of one datagram says; all others are a burst's.
struct Words {
    Kind kind = Kind::ping;
    std::uint32_t number = 0;   // of a ping, or a burst
    std::int64_t rate_bps = 0;  // what came of it; of send_burst: its pace. 0: none
    std::int64_t error_bps = 0;
    Duration held{};  // of a pong: since its ping came
};

constexpr std::size_t kWordsBytes = 32;
using WordsBytes = std::array<std::uint8_t, kWordsBytes>;

void store64(std::uint8_t* at, std::int64_t value) {
    const auto bits = static_cast<std::uint64_t>(value);
    store32(at, static_cast<std::uint32_t>(bits >> 32U));
    store32(at + 4, static_cast<std::uint32_t>(bits));
}

std::int64_t load64(const std::uint8_t* at) {
    return static_cast<std::int64_t>((std::uint64_t{load32(at)} << 32U) | load32(at + 4));
}

WordsBytes bytes_of(const Words& words) {
    WordsBytes bytes{};
    store32(bytes.data(), static_cast<std::uint32_t>(words.kind));
    store32(&bytes[4], words.number);
    store64(&bytes[8], words.rate_bps);
    store64(&bytes[16], words.error_bps);
    store64(&bytes[24], words.held.count());
    return bytes;
}

// Nothing of what is no message of these.
std::optional<Words> words_of(std::span<const std::uint8_t> bytes) {
    if (bytes.size() != kWordsBytes) return {};
    const std::uint32_t kind = load32(bytes.data());
    if (kind > static_cast<std::uint32_t>(Kind::goodbye)) return {};
    return Words{.kind = static_cast<Kind>(kind),
                 .number = load32(&bytes[4]),
                 .rate_bps = load64(&bytes[8]),
                 .error_bps = load64(&bytes[16]),
                 .held = Duration{load64(&bytes[24])}};
}

class GivenUp {};

}  // namespace

class WayMeasurement::Impl {
  public:
    Impl(boost::asio::io_context& loop, FileDescriptor socket, const WayToMeasure& order,
         Ended ended)
        : loop_{loop},
          socket_{narrowed(std::move(socket))},
          order_{order},
          link_{{.own = static_cast<MachineNumber>(order.leads ? 0 : 1),
                 .peer = static_cast<MachineNumber>(order.leads ? 1 : 0),
                 .key = order.key,
                 .salt = fresh_salt(),
                 .encrypt = false,
                 .ipv6 = socket_.ipv6()}},
          ended_{std::move(ended)},
          thread_{[this] { run(); }} {}

    ~Impl() {
        stop_ = true;
        thread_.join();
    }

    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

  private:
    static FileDescriptor narrowed(FileDescriptor socket) {
        if (!socket.open()) throw Failure{"there is no socket to measure with"};
        check("set the measurement's buffer", ::setsockopt(socket.value(), SOL_SOCKET, SO_SNDBUF,
                                                           &kSendBuffer, sizeof kSendBuffer));
        return socket;
    }

    void run() {
        Result<WayQuality> result = WayQuality{};
        try {
            result = order_.leads ? lead() : answer();
        } catch (const GivenUp&) {
            return;
        } catch (const std::exception& problem) {
            result = fail(problem.what());
        }
        boost::asio::post(loop_, [alive = std::weak_ptr<int>{alive_}, ended = ended_,
                                  result = std::move(result)] {
            if (!alive.expired()) ended(result);
        });
    }

    // ---- what comes and goes

    void say(const Words& words) {
        WordsBytes bytes = bytes_of(words);
        const iovec piece{bytes.data(), bytes.size()};
        static_cast<void>(put(std::span{&piece, 1}));
    }

    TunnelSocket::Sent put(std::span<const iovec> pieces) {
        const auto batch = link_.pack(pieces, monotonic_now());
        if (!batch) return TunnelSocket::Sent::refused;
        const auto sent = socket_.send(batch->bytes, batch->datagram_bytes, order_.endpoint);
        if (sent == TunnelSocket::Sent::too_large) link_.refused(batch->datagram_bytes);
        return sent;
    }

    void greet() {
        const Instant now = monotonic_now();
        if (link_.next_hello() > now) return;
        link_.reassembly().expire(now);
        for (const auto& hello : link_.hellos(now)) {
            static_cast<void>(socket_.send(hello, hello.size(), order_.endpoint));
        }
    }

    // Takes what comes until `until`, or `enough`.
    template <typename Enough>
    bool listen(Instant until, const Enough& enough) {
        for (;;) {
            if (stop_) throw GivenUp{};
            if (enough()) return true;
            greet();
            const Instant now = monotonic_now();
            if (now >= until) return false;
            const Duration left =
                std::min({until - now, kLookUp, std::max(link_.next_hello() - now, Duration{1us})});
            wait(POLLIN, left);
            while (take()) {
            }
        }
    }

    void wait(short what, Duration at_most) const {
        pollfd watched{.fd = socket_.fd(), .events = what, .revents = 0};
        const timespec time{.tv_sec = at_most / 1s, .tv_nsec = (at_most % 1s).count()};
        static_cast<void>(::ppoll(&watched, 1, &time, nullptr));
    }

    // False when nothing is there.
    bool take() {
        auto batch = socket_.receive();
        if (!batch) return false;
        const Instant came = came_at(*batch);
        const Instant now = monotonic_now();
        std::int64_t of_burst = 0;
        do {
            const std::size_t bytes = std::min(batch->datagram_bytes, batch->bytes.size());
            if (bytes == 0) break;
            of_burst += take(batch->bytes.first(bytes), came, now);
            batch->bytes = batch->bytes.subspan(bytes);
        } while (!batch->bytes.empty());
        if (of_burst > 0) {
            burst_.push_back({.at = now.time_since_epoch(), .size = DataSize::bytes(of_burst)});
        }
        return true;
    }

    // How many bytes of a burst it holds.
    std::int64_t take(std::span<std::uint8_t> datagram, Instant came, Instant now) {
        const auto header = read_header(datagram);
        if (!header || header->sender != (order_.leads ? 1 : 0)) return 0;
        const PeerLink::Received received = link_.receive(datagram, *header, came, now);
        if (!received.answer.empty()) {
            static_cast<void>(
                socket_.send(received.answer, received.answer.size(), order_.endpoint));
        }
        if (received.verdict != PeerLink::Verdict::genuine || header->kind == DatagramKind::hello) {
            return 0;
        }
        if (header->count == 1) {
            const auto words = received.message ? words_of(*received.message) : std::nullopt;
            if (words) hear(*words, came);
            return 0;
        }
        // Also of a message that never becomes whole.
        return static_cast<std::int64_t>(datagram.size() - kDatagramOverhead);
    }

    void hear(const Words& words, Instant came) {
        switch (words.kind) {
            case Kind::ping:
                say({.kind = Kind::pong, .number = words.number, .held = monotonic_now() - came});
                break;
            case Kind::pong:
                if (words.number == pinged_ && pinged_at_) {
                    const auto took =
                        network_time({.sent = *pinged_at_, .came = came, .held = words.held});
                    if (took) round_trips_.push_back(*took);
                    pinged_at_.reset();
                }
                break;
            case Kind::ask_burst:
                asked_ = words.number;
                break;
            case Kind::burst_answer:
                told_ = words;
                break;
            case Kind::send_burst:
                wanted_ = words;
                break;
            case Kind::goodbye:
                goodbye_ = true;
                break;
        }
    }

    // (1) `pace_bps` 0: as quick as it goes.
    void send_burst(std::int64_t pace_bps) {
        std::vector<std::uint8_t> filler(filler_bytes());
        const iovec piece{filler.data(), filler.size()};
        const Instant begin = monotonic_now();
        const Instant end = begin + kBurstTime;
        std::int64_t sent = 0;
        while (sent < kBurstBytes && !stop_) {
            const Instant now = monotonic_now();
            if (now >= end) break;
            if (pace_bps > 0) {
                const Instant at =
                    begin + DataSize::bytes(sent) / Bandwidth::bits_per_second(pace_bps);
                if (at > now) {
                    wait(0, std::min<Duration>(std::min(at, end) - now, kLookUp));
                    continue;
                }
            }
            // The kernel takes what there is room for; the rest of a message is lost.
            wait(POLLOUT, std::min<Duration>(end - now, kLookUp));
            if (put(std::span{&piece, 1}) == TunnelSocket::Sent::all) {
                sent += static_cast<std::int64_t>(filler.size());
            }
        }
        if (stop_) throw GivenUp{};
    }

    // More than one datagram, whatever their size.
    std::size_t filler_bytes() const {
        const std::size_t one = link_.datagram_bytes(monotonic_now()) - kDatagramOverhead;
        return std::min(std::max(kFillerBytes, one + one / 2), kMostMessageBytes);
    }

    // ---- the two parts

    Result<WayQuality> lead() {
        const Instant began = monotonic_now();
        if (!listen(began + kGreetingPatience, [this] { return link_.ready(); })) {
            return fail(fmt::format("no answer from {} ({}): does a firewall let UDP through?",
                                    order_.peer, place()));
        }
        static_cast<void>(listen(monotonic_now() + kSizesPatience, [] { return false; }));
        const Instant pings_end = monotonic_now() + kPingsPatience;
        for (int i = 0; i < kRoundTrips; ++i) {
            pinged_at_ = monotonic_now();
            say({.kind = Kind::ping, .number = ++pinged_});
            static_cast<void>(listen(*pinged_at_ + kPingPatience, [this] { return !pinged_at_; }));
            static_cast<void>(listen(monotonic_now() + kBetweenPings, [] { return false; }));
            if (i == 3 && round_trips_.empty()) break;  // it has gone
            if (monotonic_now() > pings_end && !round_trips_.empty()) break;
        }
        const auto round_trips = round_trips_of(round_trips_);
        if (!round_trips) {
            return fail(fmt::format("{} ({}) has answered no ping", order_.peer, place()));
        }
        WayQuality quality{.round_trips = *round_trips, .mtu = mtu()};
        if (order_.rates) {
            quality.there = best_rate([this, &round_trips](std::int64_t pace_bps) {
                return rate_there(round_trips->median, pace_bps);
            });
            quality.back = best_rate([this](std::int64_t pace_bps) { return rate_back(pace_bps); });
        }
        for (int i = 0; i < kGoodbyes; ++i) say({.kind = Kind::goodbye});
        return quality;
    }

    std::string place() const {
        return fmt::format("{} port {}", order_.endpoint.address().to_string(),
                           order_.endpoint.port());
    }

    DataSize mtu() const {
        const std::size_t headers = kUdpHeader + (socket_.ipv6() ? kIpv6Header : kIpv4Header);
        return DataSize::bytes(
            static_cast<std::int64_t>(link_.datagram_bytes(monotonic_now()) + headers));
    }

    // Once as quick as it goes, and again at a pace that fills the way for all of the burst's time.
    template <typename Measure>
    static std::optional<MeasuredRate> best_rate(const Measure& measure) {
        const std::optional<MeasuredRate> quick = measure(0);
        if (!quick) return {};
        const auto pace = pace_after(*quick, DataSize::bytes(kBurstBytes), kBurstTime);
        if (!pace) return quick;
        const std::optional<MeasuredRate> paced = measure(pace->bits_per_second());
        return paced && paced->error_bps < quick->error_bps ? paced : quick;
    }

    std::optional<MeasuredRate> rate_there(Duration round_trip, std::int64_t pace_bps) {
        const std::uint32_t number = ++bursts_;
        send_burst(pace_bps);
        // The answer counts what came until it was asked for.
        static_cast<void>(listen(monotonic_now() + round_trip + kSilence, [] { return false; }));
        const Instant end = monotonic_now() + kBurstPatience;
        const auto told = [this, number] { return told_ && told_->number == number; };
        while (!told() && monotonic_now() < end) {
            say({.kind = Kind::ask_burst, .number = number});
            static_cast<void>(listen(monotonic_now() + kAskAgain, told));
        }
        if (!told() || told_->rate_bps <= 0 || told_->error_bps < 0) return {};
        return MeasuredRate{.rate = Bandwidth::bits_per_second(told_->rate_bps),
                            .error_bps = told_->error_bps};
    }

    std::optional<MeasuredRate> rate_back(std::int64_t pace_bps) {
        const std::uint32_t number = ++bursts_;
        burst_.clear();
        const Instant end = monotonic_now() + kBurstPatience;
        while (burst_.empty() && monotonic_now() < end) {
            say({.kind = Kind::send_burst, .number = number, .rate_bps = pace_bps});
            static_cast<void>(
                listen(monotonic_now() + kAskAgain, [this] { return !burst_.empty(); }));
        }
        while (!burst_.empty() && monotonic_now() < end) {
            const std::size_t so_far = burst_.size();
            if (!listen(monotonic_now() + kSilence,
                        [this, so_far] { return burst_.size() > so_far; })) {
                break;
            }
        }
        return rate_of_burst(burst_);
    }

    Result<WayQuality> answer() {
        const Instant end = monotonic_now() + kPatience;
        std::uint32_t sent = 0;  // bursts
        Words answered{.kind = Kind::burst_answer};
        while (monotonic_now() < end && !goodbye_) {
            const auto is_wanted = [this, sent] {
                return wanted_ && wanted_->number > sent && wanted_->number <= kMostBursts;
            };
            static_cast<void>(
                listen(end, [this, &is_wanted] { return asked_ || is_wanted() || goodbye_; }));
            if (const auto number = std::exchange(asked_, std::nullopt)) {
                // Asked again, it is answered again.
                if (*number > answered.number) {
                    const auto rate = rate_of_burst(std::exchange(burst_, {}));
                    answered.number = *number;
                    answered.rate_bps = rate ? rate->rate.bits_per_second() : 0;
                    answered.error_bps = rate ? rate->error_bps : 0;
                }
                say(answered);
            }
            if (is_wanted()) {
                sent = wanted_->number;
                send_burst(wanted_->rate_bps);
            }
        }
        return WayQuality{};
    }

    boost::asio::io_context& loop_;
    TunnelSocket socket_;
    WayToMeasure order_;
    PeerLink link_;
    Ended ended_;
    std::uint32_t pinged_ = 0;
    std::optional<Instant> pinged_at_;  // until it is answered
    std::vector<Duration> round_trips_;
    std::vector<BurstPiece> burst_;
    std::uint32_t bursts_ = 0;            // that this end has begun or asked for
    std::optional<std::uint32_t> asked_;  // what came of which burst
    std::optional<Words> told_;
    std::optional<Words> wanted_;  // a burst
    bool goodbye_ = false;
    std::shared_ptr<int> alive_ = std::make_shared<int>();
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

WayMeasurement::WayMeasurement(boost::asio::io_context& loop, FileDescriptor socket,
                               const WayToMeasure& order, Ended ended)
    : impl_{std::make_unique<Impl>(loop, std::move(socket), order, std::move(ended))} {}

WayMeasurement::~WayMeasurement() = default;

}  // namespace pleat
