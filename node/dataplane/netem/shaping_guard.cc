#include "node/dataplane/netem/shaping_guard.hh"

#include <exception>
#include <utility>

#include <fmt/format.h>

#include "base/log.hh"

namespace pleat {

ShapingGuard::ShapingGuard(boost::asio::io_context& loop, int network_namespace, Tcal& tcal,
                           std::string host, Outputs outputs)
    : tcal_{tcal},
      host_{std::move(host)},
      outputs_{std::move(outputs)},
      watch_{std::make_unique<InterfaceWatch>(
          loop, network_namespace, tcal.messages().interface_index(),
          InterfaceWatch::Outputs{.gone = [this] { interface_gone(); },
                                  .changed = [this](bool inner) { changed(inner); }})} {}

void ShapingGuard::interface_gone() {
    tcal_.interface_gone();
    report("interface is gone");
    watch_.reset();
}

// By somebody else, or by us. A filter that leads packets to classes is removed by us never.
void ShapingGuard::changed(bool inner) {
    if (tcal_.lost()) return;
    try {
        mend(inner);
    } catch (const std::exception& error) {
        report(
            fmt::format("what somebody has removed of a host's shaping can't be put back, all that "
                        "it sends is dropped reason=\"{}\"",
                        error.what()));
        keep_from_sending();
    }
}

void ShapingGuard::mend(bool inner) {
    const bool has_classifier = outputs_.attach_classifier != nullptr;
    if (!has_classifier && inner) tcal_.drop_everything();
    if (!tcal_.is_shaping()) {
        report(
            "somebody has removed the shaping of a host; all that it sends is dropped from now "
            "on, what it sent meanwhile was not shaped");
        return;
    }
    if (!has_classifier || tcal_.has_program()) return;
    tcal_.request_quietly(tcal_.messages().clsact());
    outputs_.attach_classifier();
    tcal_.commit();
    report(
        "somebody has removed the classifier of a host, it is put back; what was sent "
        "meanwhile was not shaped");
}

void ShapingGuard::keep_from_sending() {
    try {
        tcal_.drop_everything();
    } catch (const std::exception& error) {
        log::error("{}; what it sends is not shaped", error.what());
    }
}

void ShapingGuard::report(const std::string& what) {
    log::warn("{} host={} interface={}", what, host_, tcal_.interface());
    if (!std::exchange(is_lost_, true)) outputs_.lost();
}

}  // namespace pleat
