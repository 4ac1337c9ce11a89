#include "cli/run_news.hh"

#include <algorithm>
#include <string_view>
#include <variant>

#include <fmt/format.h>

#include "cli/format.hh"

namespace pleat {

std::string counted(std::uint64_t n, std::string_view one) {
    return fmt::format("{} {}{}", n, one, n == 1 ? "" : "s");
}

void RunNews::show(const Stage& stage, Instant now) {
    if (stage.name == "machine") return output_.warning(stage.text);
    if (stage.name != "begin") {
        output_.done(stage.name, stage.text, seconds(now - stage_began_));
    }
    stage_began_ = now;
}

void RunNews::show(const Progress& progress, Instant now) {
    const Duration at = std::max(progress.at.time_since_epoch(), Duration::zero());
    std::string line = fmt::format("  {:<10} {}", stopping_ ? "stopping" : "running", clock(at));
    if (scenario_ != nullptr && scenario_->duration) line += " / " + clock(*scenario_->duration);
    line += fmt::format("   epoch {}   {}", progress.epoch.value,
                        progress.throughput_bps == 0
                            ? "0 bit/s"
                            : text_of(Bandwidth::bits_per_second(
                                  static_cast<std::int64_t>(progress.throughput_bps))));
    line += fmt::format("   {}", counted(progress.hosts_running, "host"));
    line += next_event(progress.at);
    output_.progress(line);
    stage_began_ = now;
}

void RunNews::show(const ControlMessage& message, Instant now) {
    if (const auto* const stage = std::get_if<Stage>(&message)) show(*stage, now);
    if (const auto* const progress = std::get_if<Progress>(&message)) show(*progress, now);
}

void RunNews::wait_for(const std::string& step, const std::string& what) {
    output_.progress(fmt::format("  {:<10} {}", step, what));
}

std::string RunNews::next_event(ExperimentTime at) const {
    if (scenario_ == nullptr) return {};
    for (const TimedEvent& event : scenario_->timeline) {
        if (event.at <= at) continue;
        return fmt::format("   next {}: {}", text_of(event.at.time_since_epoch()), event.text);
    }
    return {};
}

}  // namespace pleat
