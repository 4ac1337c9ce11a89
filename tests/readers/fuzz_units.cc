// libFuzzer: any text is read as a unit, a link's words or an event's line without harm;
// what is good is printed so that it is read back equal.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.hh"
#include "readers/event_times.hh"
#include "readers/link_words.hh"
#include "readers/read_scenario.hh"
#include "readers/shell_words.hh"
#include "readers/unit_text.hh"

namespace {

template <typename T>
void round_trip(std::string_view text, pleat::Result<T> (*parse)(std::string_view)) {
    const auto value = parse(text);
    if (!value) {
        PLEAT_ASSERT(!value.error().message.empty());
        return;
    }
    PLEAT_ASSERT(parse(pleat::to_text(*value)) == *value);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    round_trip(text, &pleat::parse_duration);
    round_trip(text, &pleat::parse_bandwidth);
    round_trip(text, &pleat::parse_size);
    round_trip(text, &pleat::parse_probability);
    (void)pleat::unit_suggestion(text);

    if (const auto when = pleat::parse_when(text)) {
        PLEAT_ASSERT(pleat::when_text(*pleat::parse_when(pleat::when_text(*when))) ==
                     pleat::when_text(*when));
    }
    if (const auto words = pleat::split_shell(text)) {
        PLEAT_ASSERT(pleat::split_shell(pleat::join_shell(*words)) == *words);
    }
    PLEAT_ASSERT(pleat::with_replica(pleat::with_dollars_doubled(text), "0", "n") == text);

    std::vector<pleat::TextProblem> problems;
    const auto link = pleat::read_link_words(text, pleat::LinkWordsFor::two_way, problems);
    if (problems.empty()) {
        const std::string printed = pleat::link_words_text(link.patch, link.up, link.down);
        const auto again = pleat::read_link_words(printed, pleat::LinkWordsFor::two_way, problems);
        PLEAT_ASSERT(problems.empty() && again.patch == link.patch && again.up == link.up);
    }
    if (const auto scenario = pleat::read_link_spec("1ms")) {
        (void)pleat::parse_event_line(text, *scenario, {});
    }
    return 0;
}
