#include "node/dataplane/tunnel/greeting.hh"

#include <algorithm>
#include <cstring>

#include "base/error.hh"
#include "node/dataplane/checksum.hh"

namespace pleat {

namespace {

// Behind the header: what makes each hello's key its own, then its fields.
constexpr std::size_t kOneTime = kDatagramHeaderBytes;
constexpr std::size_t kSalt = kOneTime + sizeof(Salt);
constexpr std::size_t kEcho = kSalt + sizeof(Salt);
constexpr std::size_t kStamp = kEcho + sizeof(Salt);
constexpr std::size_t kEchoStamp = kStamp + 8;
constexpr std::size_t kEchoBytes = kEchoStamp + 8;
constexpr std::size_t kAsks = kEchoBytes + 2;
constexpr std::size_t kHeld = kAsks + 1;
constexpr std::size_t kFieldsEnd = kHeld + 8;
static_assert(kFieldsEnd + kTagBytes <= kLeastHelloBytes);

// Hellos of all sizes, when the session is new.
constexpr int kFirstSizes = 4;
constexpr Duration kLately = 3 * Greeting::kSizesEvery + std::chrono::seconds{1};

void store64(std::uint8_t* at, std::uint64_t value) {
    store32(at, static_cast<std::uint32_t>(value >> 32U));
    store32(at + 4, static_cast<std::uint32_t>(value));
}

Duration load_duration(const std::uint8_t* at) {
    const std::uint64_t value = (std::uint64_t{load32(at)} << 32U) | load32(at + 4);
    return Duration{static_cast<std::int64_t>(value)};
}

std::uint64_t count(Duration time) {
    return static_cast<std::uint64_t>(time.count());
}

std::uint64_t count(Instant at) {
    return count(at.time_since_epoch());
}

// No counter is kept over restarts: a random salt of 128 bits makes a key for this one.
TunnelKey one_time_key(const TunnelKey& key, const std::uint8_t* datagram) {
    Salt salt;
    std::copy_n(datagram + kOneTime, salt.size(), salt.begin());
    return session_key(key, 0, 0, salt, Salt{});
}

}  // namespace

std::vector<std::uint8_t> encode_hello(const Hello& hello, MachineNumber sender, std::size_t bytes,
                                       const TunnelKey& key) {
    PLEAT_ASSERT(bytes >= kLeastHelloBytes && bytes <= kMostDatagramBytes);
    std::vector<std::uint8_t> datagram(bytes, 0);
    const DatagramHeader header{.kind = DatagramKind::hello, .sender = sender};
    write_header(header, datagram.data());
    std::ranges::copy(fresh_salt(), &datagram[kOneTime]);
    std::ranges::copy(hello.salt, &datagram[kSalt]);
    std::ranges::copy(hello.echo, &datagram[kEcho]);
    store64(&datagram[kStamp], count(hello.stamp));
    store64(&datagram[kEchoStamp], count(hello.echo_stamp));
    store16(&datagram[kEchoBytes], hello.echo_bytes);
    datagram[kAsks] = hello.asks ? 1 : 0;
    store64(&datagram[kHeld], count(hello.held));
    seal(datagram, header, one_time_key(key, datagram.data()));
    return datagram;
}

std::optional<Hello> decode_hello(std::span<std::uint8_t> datagram, const TunnelKey& key) {
    const auto header = read_header(datagram);
    if (!header || header->kind != DatagramKind::hello || datagram.size() < kLeastHelloBytes) {
        return std::nullopt;
    }
    if (!unseal(datagram, *header, one_time_key(key, datagram.data()))) return std::nullopt;
    Hello hello;
    std::copy_n(&datagram[kSalt], hello.salt.size(), hello.salt.begin());
    std::copy_n(&datagram[kEcho], hello.echo.size(), hello.echo.begin());
    hello.stamp = Instant{load_duration(&datagram[kStamp])};
    hello.echo_stamp = Instant{load_duration(&datagram[kEchoStamp])};
    hello.echo_bytes = load16(&datagram[kEchoBytes]);
    hello.asks = datagram[kAsks] != 0;
    hello.held = load_duration(&datagram[kHeld]);
    return hello;
}

std::vector<std::size_t> probe_sizes(bool ipv6) {
    // IP MTUs: IPv6's least, tunnels', VXLAN, PPPoE, Ethernet, jumbo frames, loopback.
    std::vector<std::size_t> sizes;
    for (const std::size_t mtu : {1280U, 1400U, 1450U, 1492U, 1500U, 4000U, 9000U, 65535U}) {
        sizes.push_back(std::min(mtu - (ipv6 ? 48U : 28U), kMostDatagramBytes));
    }
    return sizes;
}

Greeting::Greeting(Salt own, std::vector<std::size_t> sizes)
    : own_{own},
      sizes_{std::move(sizes)},
      least_and_sizes_{kLeastHelloBytes},
      came_(sizes_.size()) {
    least_and_sizes_.insert(least_and_sizes_.end(), sizes_.begin(), sizes_.end());
    PLEAT_ASSERT(!sizes_.empty() && std::ranges::is_sorted(sizes_) &&
                 sizes_.front() >= kLeastHelloBytes);
}

std::optional<Hello> Greeting::receive(const Hello& hello, std::size_t bytes, Instant came,
                                       Instant now) {
    const bool proved = hello.echo == own_;
    if (std::ranges::find(given_up_, hello.salt) != given_up_.end()) return std::nullopt;
    if (proved) {
        if (peer_ != hello.salt) {
            if (peer_) given_up_.push_back(*peer_);
            peer_ = hello.salt;
            asked_ = 0;
            next_ = now;  // sizes are not known yet
        }
        if (hello.echo_bytes != 0) {
            const auto size = std::ranges::find(sizes_, hello.echo_bytes);
            if (size != sizes_.end()) came_[static_cast<std::size_t>(size - sizes_.begin())] = now;
            if (hello.echo_stamp > measured_ && hello.echo_stamp <= came) {
                measured_ = hello.echo_stamp;
                latency_.add({.sent = hello.echo_stamp, .came = came, .held = hello.held}, now);
            }
        }
    }
    if (!hello.asks) return std::nullopt;
    if (now - answers_since_ >= std::chrono::seconds{1}) {
        answers_since_ = now;
        answers_ = 0;
    }
    if (++answers_ > kMostAnswers) return std::nullopt;
    return Hello{.salt = own_,
                 .echo = hello.salt,
                 .asks = !proved,
                 .stamp = now,
                 .echo_stamp = hello.stamp,
                 .echo_bytes = static_cast<std::uint16_t>(bytes),
                 .held = now - came};
}

// (6)
Greeting::Question Greeting::ask(Instant now) {
    const bool is_early = !peer_ || asked_ < kFirstSizes;
    const bool all_sizes = is_early || now >= next_sizes_;
    if (all_sizes) next_sizes_ = now + kSizesEvery;
    ++asked_;
    next_ = now + (!peer_ || asked_ < kQuickHellos ? kQuickly : kSlowly);
    const std::span<const std::size_t> sizes{least_and_sizes_};
    return {.hello = {.salt = own_, .echo = peer_.value_or(Salt{}), .asks = true, .stamp = now},
            .sizes = all_sizes ? sizes : sizes.first(1)};
}

std::size_t Greeting::datagram_bytes(Instant now) const {
    for (std::size_t i = sizes_.size(); i > 1; --i) {
        if (came_[i - 1] && now - *came_[i - 1] <= kLately) return sizes_[i - 1];
    }
    return sizes_.front();
}

void Greeting::refused(std::size_t bytes) {
    for (std::size_t i = 1; i < sizes_.size(); ++i) {
        if (sizes_[i] >= bytes) came_[i].reset();
    }
}

}  // namespace pleat
