#include "node/log_so_far.hh"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <variant>

#include "base/error.hh"
#include "base/overload.hh"
#include "wire/log_file.hh"

namespace pleat {

std::size_t LogSoFar::events_done(const std::vector<TimedEvent>& timeline) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        timeline, [this](const TimedEvent& event) { return event.at <= last; }));
}

LogSoFar read_log_so_far(const std::string& path) {
    LogSoFar result;
    const auto seen = [&result](ExperimentTime at) { result.last = std::max(result.last, at); };
    std::map<FlowKey, DemandState> demands;
    LogDecoder decoder;
    std::ifstream file{path, std::ios::binary};
    std::array<char, std::size_t{1} << 16> bytes{};
    while (file.read(bytes.data(), bytes.size()), file.gcount() > 0) {
        const Result<void> fed = decoder.feed(
            {bytes.data(), static_cast<std::size_t>(file.gcount())}, [&](const LogRecord& record) {
                std::visit(Overload{
                               [&](const EventRecord& event) {
                                   if (event.epoch) result.epochs.insert(*event.epoch);
                                   seen(event.planned);
                               },
                               [&](const HostRecord& host) {
                                   result.hosts.push_back(host);
                                   seen(host.at);
                               },
                               [&](const SampleRecord& sample) { seen(sample.at); },
                               [&](const DemandRecord& demand) {
                                   demands.insert_or_assign(demand.flow, demand.state);
                               },
                               [](const auto&) {},
                           },
                           record);
            });
        if (!fed) throw Failure{path + " is damaged: " + fed.error().message};
    }
    file.close();
    for (const auto& [flow, state] : demands) {
        if (!state.is_gone()) result.demands.push_back({flow, state});
    }
    if (decoder.incomplete() > 0) {
        std::filesystem::resize_file(path, std::filesystem::file_size(path) - decoder.incomplete());
    }
    return result;
}

}  // namespace pleat
