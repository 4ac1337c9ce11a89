#include "node/dataplane/tunnel/datagram.hh"

#include <algorithm>
#include <string_view>
#include <vector>

#include <sodium.h>

#include "base/error.hh"
#include "node/dataplane/checksum.hh"

namespace pleat {

namespace {

using Nonce = std::array<std::uint8_t, crypto_aead_chacha20poly1305_ietf_NPUBBYTES>;

static_assert(sizeof(TunnelKey) == crypto_aead_chacha20poly1305_ietf_KEYBYTES);
static_assert(kTagBytes == crypto_aead_chacha20poly1305_ietf_ABYTES);

void start_sodium() {
    static const bool started = [] {
        // Chooses the fastest code for this processor; safe to call again.
        if (::sodium_init() < 0) throw Failure{"cannot start libsodium: no random numbers"};
        return true;
    }();
    static_cast<void>(started);
}

Nonce nonce_of(std::uint64_t counter) {
    Nonce nonce{};
    store32(&nonce[4], static_cast<std::uint32_t>(counter >> 32U));
    store32(&nonce[8], static_cast<std::uint32_t>(counter));
    return nonce;
}

TunnelKey derived(const TunnelKey& pair, std::string_view purpose, MachineNumber sender,
                  MachineNumber receiver, std::span<const std::uint8_t> more) {
    std::vector<std::uint8_t> text{purpose.begin(), purpose.end()};
    for (const MachineNumber machine : {sender, receiver}) {
        text.push_back(static_cast<std::uint8_t>(machine >> 8U));
        text.push_back(static_cast<std::uint8_t>(machine));
    }
    text.insert(text.end(), more.begin(), more.end());
    TunnelKey key;
    start_sodium();
    PLEAT_ASSERT(::crypto_generichash(key.data(), key.size(), text.data(), text.size(), pair.data(),
                                      pair.size()) == 0);
    return key;
}

}  // namespace

void write_header(const DatagramHeader& header, std::uint8_t* to) {
    to[0] = static_cast<std::uint8_t>(header.kind);
    to[1] = header.index;
    to[2] = header.count;
    to[3] = 0;
    store16(to + 4, header.sender);
    store16(to + 6, header.fragment_bytes);
    store32(to + 8, static_cast<std::uint32_t>(header.counter >> 32U));
    store32(to + 12, static_cast<std::uint32_t>(header.counter));
}

std::optional<DatagramHeader> read_header(std::span<const std::uint8_t> datagram) {
    if (datagram.size() <= kDatagramOverhead) return std::nullopt;
    const std::uint8_t* const at = datagram.data();
    const auto kind = static_cast<DatagramKind>(at[0]);
    const DatagramHeader header{
        .kind = kind,
        .index = at[1],
        .count = at[2],
        .sender = load16(at + 4),
        .fragment_bytes = load16(at + 6),
        .counter = (std::uint64_t{load32(at + 8)} << 32U) | load32(at + 12)};
    if (at[3] != 0) return std::nullopt;
    switch (kind) {
        case DatagramKind::hello:
            return header;
        case DatagramKind::data:
        case DatagramKind::sealed_data: {
            const std::size_t body = datagram.size() - kDatagramOverhead;
            const bool last = header.index + 1 == header.count;
            if (header.index >= header.count || header.counter < header.index ||
                (last ? body > header.fragment_bytes : body != header.fragment_bytes)) {
                return std::nullopt;
            }
            return header;
        }
    }
    return std::nullopt;
}

TunnelKey session_key(const TunnelKey& pair, MachineNumber sender, MachineNumber receiver,
                      const Salt& of_sender, const Salt& of_receiver) {
    std::array<std::uint8_t, 2 * sizeof(Salt)> salts;
    std::ranges::copy(of_receiver, std::ranges::copy(of_sender, salts.begin()).out);
    return derived(pair, "pleat tunnel data", sender, receiver, salts);
}

TunnelKey hello_key(const TunnelKey& pair, MachineNumber sender, MachineNumber receiver) {
    return derived(pair, "pleat tunnel hello", sender, receiver, {});
}

void seal(std::span<std::uint8_t> datagram, const DatagramHeader& header, const TunnelKey& key) {
    PLEAT_ASSERT(datagram.size() > kDatagramOverhead);
    const std::size_t end = datagram.size() - kTagBytes;
    // Either a body to be encrypted, or all of it only to be covered.
    const bool sealed = header.kind == DatagramKind::sealed_data;
    const std::size_t covered = sealed ? kDatagramHeaderBytes : end;
    const Nonce nonce = nonce_of(header.counter);
    std::uint8_t* const body = &datagram[covered];
    unsigned long long tag_bytes = 0;
    ::crypto_aead_chacha20poly1305_ietf_encrypt_detached(body, &datagram[end], &tag_bytes, body,
                                                         end - covered, datagram.data(), covered,
                                                         nullptr, nonce.data(), key.data());
}

std::optional<std::span<std::uint8_t>> unseal(std::span<std::uint8_t> datagram,
                                              const DatagramHeader& header, const TunnelKey& key) {
    PLEAT_ASSERT(datagram.size() > kDatagramOverhead);
    const std::size_t end = datagram.size() - kTagBytes;
    const bool sealed = header.kind == DatagramKind::sealed_data;
    const std::size_t covered = sealed ? kDatagramHeaderBytes : end;
    const Nonce nonce = nonce_of(header.counter);
    std::uint8_t* const body = &datagram[covered];
    if (::crypto_aead_chacha20poly1305_ietf_decrypt_detached(
            body, nullptr, body, end - covered, &datagram[end], datagram.data(), covered,
            nonce.data(), key.data()) != 0) {
        return std::nullopt;
    }
    return datagram.subspan(kDatagramHeaderBytes, end - kDatagramHeaderBytes);
}

Salt fresh_salt() {
    start_sodium();
    Salt salt;
    ::randombytes_buf(salt.data(), salt.size());
    return salt;
}

}  // namespace pleat
