#include "readers/contradictions.hh"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>

#include "base/error.hh"

namespace pleat {

namespace {

// What an event speaks of: a link, or a bridge or host.
struct Subject {
    bool vertex = false;
    std::uint32_t id = 0;

    friend auto operator<=>(const Subject&, const Subject&) = default;
};

std::optional<Subject> subject_of(const Event& event) {
    const auto link = [](LinkId id) { return Subject{.vertex = false, .id = id.value}; };
    const auto vertex = [](VertexId id) { return Subject{.vertex = true, .id = id.value}; };
    if (const auto* change = std::get_if<LinkChange>(&event)) return link(change->link);
    if (const auto* up = std::get_if<LinkUp>(&event)) return link(up->link);
    if (const auto* down = std::get_if<LinkDown>(&event)) return link(down->link);
    if (const auto* up = std::get_if<VertexUp>(&event)) return vertex(up->vertex);
    if (const auto* down = std::get_if<VertexDown>(&event)) return vertex(down->vertex);
    return std::nullopt;
}

// The first field that both name with different values.
std::optional<std::string> differing_field(const LinkPatch& a, const LinkPatch& b) {
    const auto differ = [](const auto& x, const auto& y) { return x && y && *x != *y; };
    if (differ(a.latency, b.latency)) return "latency";
    if (differ(a.jitter, b.jitter)) return "jitter";
    if (differ(a.distribution, b.distribution)) return "distribution of jitter";
    // Either kind of loss replaces the other.
    if (differ(a.loss, b.loss) || differ(a.burst_loss, b.burst_loss)) return "loss";
    if ((a.loss && b.burst_loss) || (a.burst_loss && b.loss)) return "loss";
    if (differ(a.reorder, b.reorder)) return "reorder";
    if (differ(a.duplicate, b.duplicate)) return "duplicate";
    if (differ(a.corrupt, b.corrupt)) return "corrupt";
    if (differ(a.bandwidth, b.bandwidth)) return "bandwidth";
    if (differ(a.queue, b.queue)) return "queue";
    if (differ(a.overhead, b.overhead)) return "overhead";
    return std::nullopt;
}

// What two events of one subject say differently.
std::optional<std::string> differing(const Event& a, const Event& b) {
    const auto* const change = std::get_if<LinkChange>(&a);
    const auto* const other = std::get_if<LinkChange>(&b);
    if (change != nullptr && other != nullptr) return differing_field(change->patch, other->patch);
    if (change != nullptr || other != nullptr || a.index() == b.index()) return std::nullopt;
    return "up or down";
}

}  // namespace

std::vector<Contradiction> find_contradictions(std::span<const TimedEvent> events,
                                               std::span<const std::uint32_t> lines) {
    PLEAT_ASSERT(events.size() == lines.size());

    struct Saying {
        ExperimentTime at;
        Phase phase;
        Subject subject;
        std::uint32_t line;
        std::size_t event;

        auto together() const { return std::tuple{at, phase, subject}; }

        auto order() const { return std::tuple{at, phase, subject, line, event}; }
    };

    std::vector<Saying> sayings;
    for (std::size_t i = 0; i < events.size(); ++i) {
        if (events[i].phase == Phase::end) continue;
        const auto subject = subject_of(events[i].event);
        if (subject) sayings.push_back({events[i].at, events[i].phase, *subject, lines[i], i});
    }
    std::ranges::sort(sayings, {}, &Saying::order);

    std::map<std::pair<std::uint32_t, std::uint32_t>, Contradiction> found;  // the later first
    for (auto first = sayings.begin(); first != sayings.end();) {
        const auto last = std::ranges::find_if(first, sayings.end(), [&](const Saying& other) {
            return other.together() != first->together();
        });
        // Those that say different things, but none that contradicts another of them: few.
        std::vector<Saying> kept;
        for (auto later = first; later != last; ++later) {
            const TimedEvent& one = events[later->event];
            bool known = false;
            for (const Saying& earlier : kept) {
                const TimedEvent& two = events[earlier.event];
                const auto field = differing(two.event, one.event);
                known = known || field || one.event == two.event;
                if (!field) continue;
                found.try_emplace({later->line, earlier.line},
                                  Contradiction{.line = later->line,
                                                .other = earlier.line,
                                                .at = one.at,
                                                .field = *field,
                                                .text = one.text,
                                                .other_text = two.text});
                break;
            }
            if (!known) kept.push_back(*later);
        }
        first = last;
    }
    std::vector<Contradiction> result;
    result.reserve(found.size());
    for (auto& [key, one] : found) result.push_back(std::move(one));
    return result;
}

}  // namespace pleat
