// RunEvents: events of applications (start, crash, exec, mark, quit): those of the timeline when
// their time comes, each into the log, and those that were asked for by hand. Events of the
// topology are the path tables' business.
#pragma once

#include <functional>
#include <utility>

#include <boost/asio/io_context.hpp>

#include "base/overload.hh"
#include "model/event.hh"
#include "node/event_player.hh"
#include "node/host_commands.hh"
#include "node/run_hosts.hh"
#include "node/run_recorder.hh"

namespace pleat {

class RunEvents {
  public:
    struct Surroundings {
        RunHosts& hosts;
        HostCommands& commands;
        RunRecorder& recorder;
        std::function<void()> quit;  // an event said so
        std::function<void()> done;  // one more is past: the run may be over
    };

    // All must outlive it.
    RunEvents(boost::asio::io_context& loop, const std::vector<TimedEvent>& timeline,
              Surroundings surroundings)
        : outside_{std::move(surroundings)},
          player_{loop, timeline,
                  [this](const TimedEvent& event, std::size_t done) { play(event, done); }} {}

    // The first `count` have been carried out already; before begin().
    void skip(std::size_t count) { player_.skip(count); }

    void begin(Instant t0) { player_.begin(t0); }

    void stop() { player_.stop(); }

    void carry_out(const TimedEvent& event) {
        std::visit(Overload{
                       [this, &event](const HostAction& action) {
                           outside_.hosts.carry_out(action, event.text);
                       },
                       [this](const Execute& execute) {
                           if (!outside_.hosts.has(execute.host)) return;
                           outside_.commands.execute(execute.host, execute.arguments);
                       },
                       [this](const Quit&) { outside_.quit(); },
                       [](const auto&) {},
                   },
                   event.event);
    }

  private:
    void play(const TimedEvent& event, std::size_t done) {
        outside_.hosts.progress().events_done(done);
        if (!changes_topology(event.event)) {
            if (is_ours(event.event)) {
                outside_.recorder.event(event.at, monotonic_now(), event.text);
            }
            carry_out(event);
        }
        outside_.done();
    }

    // Does this node write the event into its log? Those of no host, the one that has the
    // first host of all.
    bool is_ours(const Event& event) const {
        HostId host{0};
        if (const auto* action = std::get_if<HostAction>(&event)) host = action->host;
        if (const auto* execute = std::get_if<Execute>(&event)) host = execute->host;
        return outside_.hosts.has(host);
    }

    Surroundings outside_;
    EventPlayer player_;
};

}  // namespace pleat
