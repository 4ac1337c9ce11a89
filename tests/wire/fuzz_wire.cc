// Everything that decodes bytes from outside; the first byte chooses which.
#include <cstdint>
#include <string_view>

#include "model/epochs.hh"
#include "wire/log_file.hh"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace pleat;
    if (size == 0) return 0;
    const std::string_view bytes{reinterpret_cast<const char*>(data) + 1, size - 1};
    switch (data[0] % 4) {
        case 0: {
            const auto message = decode_control(bytes);
            if (!message) break;
            // What is accepted encodes to something that is accepted, and the same.
            const auto again = decode_control(encode(*message));
            if (!again || !(*again == *message)) __builtin_trap();
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
