// Everything that decodes bytes from outside; the first byte chooses which.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "model/epochs.hh"
#include "tests/wire/random_messages.hh"
#include "wire/log_file.hh"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

namespace {

// Something that is right, and chosen by the first byte as the target does.
std::string right_input(pleat::testing::Random& random) {
    using namespace pleat::testing;
    const int kind = below(random, 3);
    std::string bytes(1, static_cast<char>(kind));
    switch (kind) {
        case 0:
            return bytes += encode(random_control(random, random() % kControlKinds));
        case 1:
            return bytes += encode(random_state(random));
        case 2:
            return bytes += framed(random_record(random)) + framed(random_record(random));
        default:
            return bytes += encode(random_record(random));
    }
}

}  // namespace

// From right messages mutations get further than from noise.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned int seed) {
    if (seed % 50 == 0) {
        pleat::testing::Random random{seed};
        const std::string input = right_input(random);
        if (input.size() <= most) {
            std::ranges::copy(input, data);
            size = input.size();
        }
    }
    return LLVMFuzzerMutate(data, size, most);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace pleat;
    if (size == 0) return 0;
    const std::string_view bytes{reinterpret_cast<const char*>(data) + 1, size - 1};
    switch (data[0] % 4) {
        case 0: {
            Envelope envelope;
            const auto message = decode_control(bytes, &envelope);
            if (!message) break;
            // What is accepted encodes to something that is accepted, and the same. A greeting may
            // be of another version of the protocol, which the envelope says.
            Envelope of_it;
            const auto again = decode_control(encode(*message, envelope), &of_it);
            if (!again || !(*again == *message) || !(of_it == envelope)) __builtin_trap();
            if (const auto* submit = std::get_if<Submit>(&*message)) {
                compute_epochs(submit->scenario);
            }
            break;
        }
        case 1: {
            const auto message = decode_state(bytes);
            if (message && !(decode_state(encode(*message)) == *message)) __builtin_trap();
            break;
        }
        case 2: {
            const auto summary = read_log(bytes, [](const LogRecord& record) { encode(record); });
            static_cast<void>(summary);
            break;
        }
        default: {
            const auto record = decode_record(bytes);
            if (record && !(decode_record(encode(*record)) == *record)) __builtin_trap();
            break;
        }
    }
    return 0;
}
