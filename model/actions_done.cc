#include "model/actions_done.hh"

#include <variant>

namespace pleat {

ActionsDone actions_done(std::span<const TimedEvent> events) {
    ActionsDone result;
    for (const TimedEvent& event : events) {
        const auto* const action = std::get_if<HostAction>(&event.event);
        if (action == nullptr) continue;
        switch (action->kind) {
            case HostAction::Kind::crash:
                result.cut.insert(action->host);
                result.ended.insert(action->host);
                break;
            case HostAction::Kind::stop:
                result.ended.insert(action->host);
                break;
            case HostAction::Kind::start:
            case HostAction::Kind::restart:
                result.cut.erase(action->host);
                result.ended.erase(action->host);
                break;
            case HostAction::Kind::pause:
            case HostAction::Kind::resume:
                break;
        }
    }
    return result;
}

}  // namespace pleat
