#include "wire/keys.hh"

#include <array>
#include <charconv>

#include <fmt/format.h>
#include <zmq.h>

#include "base/error.hh"

namespace pleat {

namespace {

constexpr std::size_t kTextBytes = 41;  // 40 characters of Z85, and a zero

std::string bytes_of(const std::array<char, kTextBytes>& z85) {
    std::array<std::uint8_t, kKeyBytes> bytes{};
    PLEAT_ASSERT(zmq_z85_decode(bytes.data(), z85.data()) != nullptr);
    return {bytes.begin(), bytes.end()};
}

}  // namespace

KeyPair make_key_pair() {
    std::array<char, kTextBytes> public_text{};
    std::array<char, kTextBytes> secret_text{};
    if (zmq_curve_keypair(public_text.data(), secret_text.data()) != 0) {
        throw Failure{
            fmt::format("cannot make keys: {} (libzmq without CURVE)", zmq_strerror(zmq_errno()))};
    }
    return {.public_key = bytes_of(public_text), .secret_key = bytes_of(secret_text)};
}

KeyPair pair_of(const std::string& secret_key) {
    PLEAT_ASSERT(secret_key.size() == kKeyBytes);
    std::array<std::uint8_t, kKeyBytes> bytes{};
    std::copy(secret_key.begin(), secret_key.end(), bytes.begin());
    std::array<char, kTextBytes> secret_text{};
    zmq_z85_encode(secret_text.data(), bytes.data(), bytes.size());
    std::array<char, kTextBytes> public_text{};
    if (zmq_curve_public(public_text.data(), secret_text.data()) != 0) {
        throw Failure{fmt::format("cannot use a key: {}", zmq_strerror(zmq_errno()))};
    }
    return {.public_key = bytes_of(public_text), .secret_key = secret_key};
}

std::string key_text(const std::string& key) {
    std::string text;
    for (const char byte : key) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    return text;
}

Result<std::string> parse_key(std::string_view text) {
    if (text.size() != 2 * kKeyBytes) {
        return fail(fmt::format("expected a key of {} hexadecimal digits, found {} characters",
                                2 * kKeyBytes, text.size()));
    }
    std::string key;
    for (std::size_t i = 0; i < text.size(); i += 2) {
        unsigned byte = 0;
        const char* const end = text.data() + i + 2;
        const auto [stop, status] = std::from_chars(text.data() + i, end, byte, 16);
        if (status != std::errc{} || stop != end) {
            return fail(
                fmt::format("expected a key in hexadecimal digits, found '{}'", text.substr(i, 2)));
        }
        key.push_back(static_cast<char>(byte));
    }
    return key;
}

}  // namespace pleat
