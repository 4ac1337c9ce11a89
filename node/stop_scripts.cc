#include "node/stop_scripts.hh"

#include <utility>

#include <fmt/format.h>

#include "model/bare_metal.hh"

namespace pleat {

StopScripts::StopScripts(boost::asio::io_context& loop, HostCommands& commands,
                         const Scenario& scenario, const std::vector<HostId>& hosts,
                         bool with_applications)
    : commands_{commands},
      scenario_{scenario},
      hosts_{hosts},
      with_applications_{with_applications},
      timer_{loop} {}

void StopScripts::run(std::function<void(std::vector<std::string>)> done) {
    done_ = std::move(done);
    for (const HostId host : hosts_) {
        const auto& attached = scenario_.applications.at(host.value).attached;
        const bool has_script = attached && !attached->stop.empty();
        if (has_script && with_applications_) running_.push_back(host);
    }
    if (running_.empty()) return finish();
    timer_.expires_after(kStopPatience);
    timer_.async_wait(lifeline_.guard([this] {
        for (const HostId host : running_) {
            problems_.push_back(fmt::format(
                "the stop script of host {} had not ended after {} s",
                scenario_.topology.host(host).name,
                std::chrono::duration_cast<std::chrono::seconds>(kStopPatience).count()));
        }
        running_.clear();
        finish();
    }));
    for (const HostId host : std::vector<HostId>{running_}) {
        commands_.execute_logged(host, scenario_.applications.at(host.value).attached->stop,
                                 [this, host](int exit_code) { ended(host, exit_code); });
    }
}

void StopScripts::ended(HostId host, int exit_code) {
    if (std::erase(running_, host) == 0) return;
    if (exit_code != 0) {
        problems_.push_back(fmt::format("the stop script of host {} ended with exit code {}",
                                        scenario_.topology.host(host).name, exit_code));
    }
    if (running_.empty()) finish();
}

void StopScripts::finish() {
    timer_.cancel();
    if (done_) std::exchange(done_, nullptr)(std::exchange(problems_, {}));
}

}  // namespace pleat
