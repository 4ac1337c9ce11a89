// libFuzzer: any text is read without harm; what is good is written so that it is read
// back equal.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.hh"
#include "readers/read_scenario.hh"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const auto no_files = [](const std::string& path) -> pleat::Result<std::string> {
        return pleat::fail("no file " + path);
    };
    const auto outcome = pleat::read_kollaps(text, "fuzz.yaml", {}, no_files);
    for (const pleat::Problem& problem : outcome.problems) (void)pleat::render(problem, true);
    PLEAT_ASSERT(outcome.ok() || !outcome.problems.empty());
    if (!outcome.ok() || outcome.scenario->topology.links().size() > 2000 ||
        outcome.scenario->timeline.size() > 2000) {
        return 0;
    }
    const std::string written = pleat::write_yaml(*outcome.scenario);
    const auto again = pleat::read_yaml(written, "fuzz.yaml", {}, no_files);
    PLEAT_ASSERT(again.ok());
    PLEAT_ASSERT(*again.scenario == *outcome.scenario);
    return 0;
}
