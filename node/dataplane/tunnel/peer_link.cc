#include "node/dataplane/tunnel/peer_link.hh"

#include <algorithm>
#include <cstring>

#include "base/error.hh"

namespace pleat {

namespace {

// Takes bytes from scattered memory, front to back.
class Reader {
  public:
    explicit Reader(std::span<const iovec> pieces) : pieces_{pieces} {}

    void take(std::uint8_t* to, std::size_t bytes) {
        while (bytes > 0) {
            const iovec& piece = pieces_.front();
            const std::size_t count = std::min(bytes, piece.iov_len - at_);
            std::memcpy(to, static_cast<const std::uint8_t*>(piece.iov_base) + at_, count);
            to += count;
            bytes -= count;
            at_ += count;
            if (at_ == piece.iov_len) {
                pieces_ = pieces_.subspan(1);
                at_ = 0;
            }
        }
    }

  private:
    std::span<const iovec> pieces_;
    std::size_t at_ = 0;
};

}  // namespace

PeerLink::PeerLink(const Options& options)
    : options_{options},
      hello_out_{hello_key(options.key, options.own, options.peer)},
      hello_in_{hello_key(options.key, options.peer, options.own)},
      greeting_{options.salt, probe_sizes(options.ipv6)} {}

std::optional<PeerLink::Batch> PeerLink::pack(std::span<const iovec> pieces, Instant now) {
    if (!session_) return std::nullopt;
    std::size_t left = 0;
    for (const iovec& piece : pieces) left += piece.iov_len;
    PLEAT_ASSERT(left > 0 && left <= kMostMessageBytes);
    const std::size_t datagram = datagram_bytes(now);
    const std::size_t fragment = std::min(left, datagram - kDatagramOverhead);
    const std::size_t count = (left + fragment - 1) / fragment;
    packed_.resize(left + count * kDatagramOverhead);
    Reader reader{pieces};
    std::uint8_t* at = packed_.data();
    for (std::size_t index = 0; index < count; ++index) {
        const std::size_t body = std::min(left, fragment);
        const DatagramHeader header{
            .kind = options_.encrypt ? DatagramKind::sealed_data : DatagramKind::data,
            .index = static_cast<std::uint8_t>(index),
            .count = static_cast<std::uint8_t>(count),
            .sender = options_.own,
            .fragment_bytes = static_cast<std::uint16_t>(fragment),
            .counter = counter_++};
        write_header(header, at);
        reader.take(at + kDatagramHeaderBytes, body);
        const std::size_t bytes = body + kDatagramOverhead;
        seal({at, bytes}, header, out_);
        at += bytes;
        left -= body;
    }
    return Batch{.bytes = packed_, .datagram_bytes = fragment + kDatagramOverhead};
}

PeerLink::Received PeerLink::receive(std::span<std::uint8_t> datagram, const DatagramHeader& header,
                                     Instant came, Instant now) {
    if (header.kind == DatagramKind::hello) return receive_hello(datagram, came, now);
    if (!session_) return {.verdict = Verdict::forged};
    // First what is cheap; it is believed only once the tag is right.
    switch (window_.look(header.counter)) {
        case ReplayWindow::Verdict::replayed:
            return {.verdict = Verdict::replayed};
        case ReplayWindow::Verdict::late:
            return {.verdict = Verdict::late};
        case ReplayWindow::Verdict::fresh:
            break;
    }
    const auto body = unseal(datagram, header, in_);
    if (!body) return {.verdict = Verdict::forged};
    window_.accept(header.counter);
    return {.message = reassembly_.add(header, *body, now)};
}

PeerLink::Received PeerLink::receive_hello(std::span<std::uint8_t> datagram, Instant came,
                                           Instant now) {
    if (datagram.size() < kLeastHelloBytes) return {.verdict = Verdict::malformed};
    const std::optional<Hello> hello = decode_hello(datagram, hello_in_);
    if (!hello) return {.verdict = Verdict::forged};
    const std::optional<Hello> answer = greeting_.receive(*hello, datagram.size(), came, now);
    if (greeting_.peer() != session_) begin_session();
    if (!answer) return {};
    return {.answer = encode_hello(*answer, options_.own, kLeastHelloBytes, hello_out_)};
}

void PeerLink::begin_session() {
    session_ = greeting_.peer();
    out_ = session_key(options_.key, options_.own, options_.peer, options_.salt, *session_);
    in_ = session_key(options_.key, options_.peer, options_.own, *session_, options_.salt);
    counter_ = 0;
    window_ = {};
    reassembly_.clear();
}

std::vector<std::vector<std::uint8_t>> PeerLink::hellos(Instant now) {
    const Greeting::Question question = greeting_.ask(now);
    std::vector<std::vector<std::uint8_t>> datagrams;
    for (const std::size_t bytes : question.sizes) {
        datagrams.push_back(encode_hello(question.hello, options_.own, bytes, hello_out_));
    }
    return datagrams;
}

}  // namespace pleat
