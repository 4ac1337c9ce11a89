#include "tests/sharing/simulated_senders.hh"

#include <algorithm>
#include <cmath>
#include <limits>

namespace pleat::testing {

namespace {

double seconds(Duration time) {
    return static_cast<double>(time.count()) * 1e-9;
}

// Takes acknowledged packets from the front and returns the RTT of the last of them.
Duration take(std::deque<std::pair<Instant, std::int64_t>>& sent, Instant now,
              std::int64_t packets) {
    Duration rtt{};
    while (packets > 0 && !sent.empty()) {
        auto& [at, count] = sent.front();
        rtt = now - at;
        const std::int64_t taken = std::min(packets, count);
        packets -= taken;
        count -= taken;
        if (count == 0) sent.pop_front();
    }
    return rtt;
}

}  // namespace

void Cubic::acknowledged(Instant now, std::int64_t packets) {
    in_flight_ = std::max<std::int64_t>(0, in_flight_ - packets);
    rtt_ = take(sent_, now, packets);
    least_rtt_ = std::min(least_rtt_.value_or(rtt_), rtt_);
    const bool used = static_cast<double>(in_flight_ + packets) >= window_ * 0.8;
    if (!used) return;
    if (window_ < slow_until_) {
        window_ += static_cast<double>(packets);
        const Duration late = std::max<Duration>(*least_rtt_ / 8, std::chrono::milliseconds{4});
        if (window_ > 16.0 && rtt_ > *least_rtt_ + late) {
            slow_until_ = window_;
            highest_ = window_;
            loss_at_ = now;
        }
        return;
    }
    constexpr double kC = 0.4;
    const double k = std::cbrt(highest_ * 0.3 / kC);
    const double t = seconds(now - loss_at_ + rtt_);
    const double target = kC * std::pow(t - k, 3.0) + highest_;
    const double step = std::max(0.01, (target - window_) / window_);
    window_ += std::min(step, 0.5) * static_cast<double>(packets);
}

void Cubic::lost(Instant now, std::int64_t packets) {
    in_flight_ = std::max<std::int64_t>(0, in_flight_ - packets);
    take(sent_, now, packets);
    if (now < recovered_at_) return;
    highest_ = window_;
    window_ = std::max(4.0, window_ * 0.7);
    slow_until_ = window_;
    loss_at_ = now;
    recovered_at_ = now + std::max<Duration>(rtt_, std::chrono::milliseconds{10});
}

std::int64_t Cubic::wishes(Instant now) {
    const Duration time = now - last_.value_or(now);
    last_ = now;
    if (rate_ < std::numeric_limits<double>::infinity()) {
        tokens_ = std::min(tokens_ + rate_ * seconds(time) / (1514.0 * 8.0), 2000.0);
    } else {
        tokens_ = 1e12;
    }
    const double room = std::floor(window_) - static_cast<double>(in_flight_);
    return static_cast<std::int64_t>(std::max(0.0, std::min(room, std::floor(tokens_))));
}

void Cubic::sent(Instant now, std::int64_t packets) {
    in_flight_ += packets;
    tokens_ -= static_cast<double>(packets);
    if (packets > 0) sent_.emplace_back(now, packets);
}

double Bbr::bandwidth() const {
    return rounds_.empty() ? 0.0 : *std::max_element(rounds_.begin(), rounds_.end());
}

void Bbr::end_round(Instant now) {
    const double time = seconds(now - *round_began_);
    const double rate = static_cast<double>(delivered_ - round_began_with_) / time;
    if (!probing_rtt_until_) rounds_.push_back(rate);
    if (rounds_.size() > 10) rounds_.pop_front();
    round_began_ = now;
    round_began_with_ = delivered_;
    phase_ = (phase_ + 1) % 8;
    if (!starting_) return;
    full_rounds_ = bandwidth() > 1.25 * full_bandwidth_ ? 0 : full_rounds_ + 1;
    if (full_rounds_ == 0) full_bandwidth_ = bandwidth();
    starting_ = full_rounds_ < 3;
}

void Bbr::acknowledged(Instant now, std::int64_t packets) {
    in_flight_ = std::max<std::int64_t>(0, in_flight_ - packets);
    delivered_ += packets;
    const Duration rtt = take(sent_, now, packets);
    if (rtt_ == Duration::zero() || rtt < rtt_) rtt_ = rtt;
    if (now - *round_began_ >= rtt_) end_round(now);
}

void Bbr::lost(Instant now, std::int64_t packets) {
    in_flight_ = std::max<std::int64_t>(0, in_flight_ - packets);
    take(sent_, now, packets);
}

std::int64_t Bbr::wishes(Instant now) {
    const Duration time = now - last_.value_or(now);
    last_ = now;
    if (!round_began_) {
        round_began_ = now;
        next_rtt_probe_ = now + std::chrono::seconds{10};
    }
    if (rounds_.empty()) return std::max<std::int64_t>(0, 10 - in_flight_);
    if (probing_rtt_until_ && now >= *probing_rtt_until_) {
        probing_rtt_until_.reset();
        next_rtt_probe_ = now + std::chrono::seconds{10};
        round_began_ = now;
        round_began_with_ = delivered_;
    } else if (!probing_rtt_until_ && now >= next_rtt_probe_) {
        probing_rtt_until_ = now + std::chrono::milliseconds{200} + rtt_;
        rtt_ = Duration::zero();
    }
    const double round = seconds(std::max<Duration>(rtt_, std::chrono::milliseconds{1}));
    double gain = 1.0;
    double most = 2.0 * bandwidth() * round;
    if (starting_) {
        gain = 2.89;
        most = 2.89 * bandwidth() * round;
    } else if (phase_ == 0) {
        gain = 1.25;
    } else if (phase_ == 1) {
        gain = 0.75;
    }
    if (probing_rtt_until_) most = 4.0;
    tokens_ = std::min(tokens_ + 0.99 * gain * bandwidth() * seconds(time),
                       std::max(4.0, bandwidth() * 0.002));
    const double room = std::floor(std::max(most, 4.0)) - static_cast<double>(in_flight_);
    return static_cast<std::int64_t>(std::max(0.0, std::min(room, std::floor(tokens_))));
}

void Bbr::sent(Instant now, std::int64_t packets) {
    in_flight_ += packets;
    tokens_ -= static_cast<double>(packets);
    if (packets > 0) sent_.emplace_back(now, packets);
}

std::int64_t Datagrams::wishes(Instant now) {
    const Duration time = now - last_.value_or(now);
    last_ = now;
    tokens_ += rate_ * seconds(time) / (static_cast<double>(bytes_) * 8.0);
    return static_cast<std::int64_t>(std::floor(tokens_));
}

}  // namespace pleat::testing
