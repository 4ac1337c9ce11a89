#include "model/flow_states.hh"

#include "model/mixed_hash.hh"

namespace pleat {

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
    std::uint64_t hash = kEmptyHash;
    for (const auto& [flow, state] : states_) {
        hash = mixed(hash, std::uint64_t{flow.source.value} << 32 | flow.destination.value);
        hash = mixed(hash, state.code());
    }
    return hash;
}

}  // namespace pleat
