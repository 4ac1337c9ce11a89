// The one way from bytes to a protobuf message: sizes are looked at first.
#pragma once

#include <string_view>

#include <google/protobuf/message_lite.h>

#include "wire/refusal.hh"

namespace pleat::codec {

inline void parse(std::string_view bytes, std::size_t most, google::protobuf::MessageLite& message,
                  Refusal& refusal) {
    if (!refusal.require(bytes.size() <= most, "it is longer than is allowed")) return;
    refusal.require(message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())),
                    "it is cut off or not a message");
}

}  // namespace pleat::codec
