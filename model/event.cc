#include "model/event.hh"

#include "base/overload.hh"

namespace pleat {

bool changes_topology(const Event& event) {
    // By type, so that the compiler asks about a new kind of event.
    return std::visit(Overload{
                          [](const LinkChange&) { return true; },
                          [](const LinkUp&) { return true; },
                          [](const LinkDown&) { return true; },
                          [](const VertexUp&) { return true; },
                          [](const VertexDown&) { return true; },
                          [](const Partition&) { return true; },
                          [](const Heal&) { return true; },
                          [](const LinkReset&) { return true; },
                          [](const HostAction&) { return false; },
                          [](const Execute&) { return false; },
                          [](const Mark&) { return false; },
                          [](const Quit&) { return false; },
                      },
                      event);
}

}  // namespace pleat
