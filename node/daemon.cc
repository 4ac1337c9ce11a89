#include "node/daemon.hh"

#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include "base/overload.hh"

namespace pleat {

NodeDaemon::NodeDaemon(boost::asio::io_context& loop, NodeOptions options)
    : loop_{loop},
      options_{std::move(options)},
      incarnation_{static_cast<std::uint64_t>(
          std::chrono::nanoseconds{std::chrono::system_clock::now().time_since_epoch()}.count())},
      controller_{loop, options_.controller,
                  [this](ControlMessage message) { receive(std::move(message)); }} {
    controller_.send(
        Hello{.node = options_.name, .version = PLEAT_VERSION, .incarnation = incarnation_});
}

void NodeDaemon::receive(ControlMessage message) {
    std::visit(
        Overload{
            [this](PrepareRun& prepared) { prepare(std::move(prepared)); },
            [this](PrepareEpoch& epoch) {
                if (run_) run_->add_epoch(std::move(epoch));
            },
            [this](const ClockPing& ping) {
                controller_.send(ClockPong{
                    .sequence = ping.sequence, .ping_sent = ping.sent, .at = monotonic_now()});
            },
            [this](const Begin& begin) {
                if (run_) run_->begin(begin.t0);
            },
            [this](const EndRun& end) {
                if (run_) run_->end(end.reason, end.interrupted);
            },
            [this](const Shutdown&) { stop("told to shut down"); },
            [](const auto& other) {
                static_cast<void>(other);
                spdlog::warn("a message that is not for a node was dropped");
            },
        },
        message);
}

void NodeDaemon::prepare(PrepareRun prepare) {
    if (run_) {
        controller_.send(NodeFailed{.message = "this node is busy with another run"});
        return;
    }
    try {
        run_ = std::make_unique<NodeRun>(
            loop_, options_, std::move(prepare),
            [this](const ControlMessage& message) { controller_.send(message); },
            [this] {
                // The run must not be destroyed inside its own callback.
                boost::asio::post(loop_, [this] {
                    run_.reset();
                    if (leaving_) leave();
                });
            });
    } catch (const std::exception& error) {
        spdlog::error("the run could not be prepared: {}", error.what());
        int exit_code = 1;
        if (dynamic_cast<const MissingFeature*>(&error) != nullptr) {
            exit_code = NodeFailed::kMissingFeature;
        }
        if (dynamic_cast<const Unsuitable*>(&error) != nullptr) {
            exit_code = NodeFailed::kInvalidTopology;
        }
        controller_.send(NodeFailed{.message = error.what(), .exit_code = exit_code});
    }
}

void NodeDaemon::stop(const std::string& reason) {
    leaving_ = true;
    if (run_) {
        run_->end(reason, true);
    } else {
        leave();
    }
}

void NodeDaemon::leave() {
    loop_.stop();
}

}  // namespace pleat
