#include "model/flow_states.hh"

namespace pleat {

namespace {

// FNV-1a, a word at a time: all machines must agree, none is an adversary.
std::uint64_t mixed(std::uint64_t hash, std::uint64_t word) {
    for (int byte = 0; byte < 8; ++byte) {
        hash ^= (word >> (8 * byte)) & 0xff;
        hash *= 0x100000001b3;
    }
    return hash;
}

}  // namespace

void FlowStates::set(FlowKey flow, DemandState state) {
    if (state.is_gone()) {
        states_.erase(flow);
    } else {
        states_.insert_or_assign(flow, state);
    }
}

DemandState FlowStates::state(FlowKey flow) const {
    const auto found = states_.find(flow);
    return found == states_.end() ? DemandState::gone() : found->second;
}

std::uint64_t FlowStates::digest() const {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const auto& [flow, state] : states_) {
        hash = mixed(hash, std::uint64_t{flow.source.value} << 32 | flow.destination.value);
        hash = mixed(hash, state.code());
    }
    return hash;
}

}  // namespace pleat
