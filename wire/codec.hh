// Messages as bytes and back. decode_*() takes anything from outside: it never throws,
// bounds what it allocates by the size of the input, and returns only values that are
// right in themselves (ids in range, probabilities from 0 to 1, sizes that fit together).
//
// decode(encode(x)) == x for every x that this program can make.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hh"
#include "wire/log_records.hh"
#include "wire/messages.hh"
#include "wire/state_messages.hh"

namespace pleat {

// Longest accepted messages, checked before they are read.
inline constexpr std::size_t kMaxControlBytes = std::size_t{64} << 20;
inline constexpr std::size_t kMaxStateBytes = std::size_t{4} << 20;
inline constexpr std::size_t kMaxRecordBytes = std::size_t{1} << 20;

// What every control message carries beside its content; the sockets fill it in.
struct Envelope {
    std::string run;     // empty: of no run in particular
    std::string sender;  // "controller", "local"; for diagnosis
    std::uint64_t sequence = 0;
    std::uint32_t version = kProtocolVersion;  // of the protocol

    friend bool operator==(const Envelope&, const Envelope&) = default;
};

std::string encode(const ControlMessage& message, const Envelope& envelope = {});
Result<ControlMessage> decode_control(std::string_view bytes, Envelope* envelope = nullptr);

// Flows are sorted on the way; of two states of one flow the later one counts.
std::string encode(const StateMessage& message);
Result<StateMessage> decode_state(std::string_view bytes);

std::string encode(const LogRecord& record);
Result<LogRecord> decode_record(std::string_view bytes);

// For the store.
std::string encode(const Scenario& scenario);
Result<Scenario> decode_scenario(std::string_view bytes);
std::string encode(const PathTable& table);
Result<PathTable> decode_table(std::string_view bytes, const Topology& topology);
std::string encode(const PathTableDelta& delta);
Result<PathTableDelta> decode_delta(std::string_view bytes);

}  // namespace pleat
