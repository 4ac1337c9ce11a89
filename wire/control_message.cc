#include "wire/messages.hh"

namespace pleat {

ControlMessage::ControlMessage() = default;
ControlMessage::ControlMessage(const ControlMessage& other) = default;
ControlMessage::ControlMessage(ControlMessage&& other) noexcept = default;
ControlMessage& ControlMessage::operator=(const ControlMessage& other) = default;
ControlMessage& ControlMessage::operator=(ControlMessage&& other) noexcept = default;
ControlMessage::~ControlMessage() = default;

bool operator==(const ControlMessage& a, const ControlMessage& b) {
    using Variant = ControlMessage::variant;
    return static_cast<const Variant&>(a) == static_cast<const Variant&>(b);
}

}  // namespace pleat
