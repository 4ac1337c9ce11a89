#include "readers/event_times.hh"

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/overload.hh"
#include "readers/seeded_stream.hh"
#include "readers/unit_text.hh"

namespace pleat {

namespace {

constexpr Duration kLatest = std::chrono::hours{24 * 365};
constexpr std::size_t kMostEvents = 1'000'000;

Parsed<Duration> parse_time(Word word) {
    const auto time = parse_duration(word.text);
    if (!time) {
        return tl::unexpected{
            TextProblem{word.offset, "bad-time", time.error().message, unit_suggestion(word.text)}};
    }
    if (*time > kLatest) {
        return tl::unexpected{
            TextProblem{word.offset,
                        "bad-time",
                        "'" + std::string{word.text} + "': expected at most a year",
                        {}}};
    }
    return *time;
}

}  // namespace

Parsed<When> parse_when(std::string_view text) {
    constexpr std::string_view kForm =
        "expected a time such as 30s, 10s..20s, `10s..60s every 5s` or `0s..5m poisson 20s`";
    const std::vector<Word> words = split_words(text);
    const auto refuse = [](std::size_t offset, std::string message) {
        return tl::unexpected{TextProblem{offset, "bad-time", std::move(message), {}}};
    };
    if (words.size() != 1 && words.size() != 3) {
        return refuse(0, "'" + std::string{text} + "': " + std::string{kForm});
    }
    When when;
    const Word range = words[0];
    const auto dots = range.text.find("..");
    const auto from = parse_time(Word{range.text.substr(0, dots), range.offset});
    if (!from) return tl::unexpected{from.error()};
    when.from = ExperimentTime{*from};
    if (dots != std::string_view::npos) {
        const auto to = parse_time(Word{range.text.substr(dots + 2), range.offset + dots + 2});
        if (!to) return tl::unexpected{to.error()};
        when.to = ExperimentTime{*to};
        if (*when.to <= when.from) {
            return refuse(range.offset, "'" + std::string{range.text} + "' ends before it begins");
        }
    }
    if (words.size() == 1) return when;

    const bool every = words[1].text == "every";
    if (!every && words[1].text != "poisson") {
        return refuse(words[1].offset, "'" + std::string{text} + "': " + std::string{kForm});
    }
    if (!when.to) return refuse(range.offset, "what repeats needs an end, such as 10s..60s");
    const auto interval = parse_time(words[2]);
    if (!interval) return tl::unexpected{interval.error()};
    if (*interval < std::chrono::microseconds{1}) {
        return refuse(words[2].offset, "an interval is at least 1us");
    }
    (every ? when.every : when.poisson) = *interval;
    return when;
}

std::string when_text(const When& when) {
    std::string text = to_text(when.from.time_since_epoch());
    if (when.to) text += ".." + to_text(when.to->time_since_epoch());
    if (when.every) text += " every " + to_text(*when.every);
    if (when.poisson) text += " poisson " + to_text(*when.poisson);
    return text;
}

// Adds the events of one line.
class TimelineDraft::Adder {
  public:
    Adder(TimelineDraft& draft, const When& when, const Topology& topology,
          std::optional<ExperimentTime> end, SeededStream stream)
        : draft_{&draft}, when_{&when}, topology_{&topology}, end_{end}, stream_{stream} {}

    std::optional<TextProblem> deeds(const std::vector<Deed>& deeds) {
        if (when_->to && !when_->repeats()) {
            for (const Deed& deed : deeds) {
                if (deed.undo == Deed::Undo::never) {
                    return TextProblem{
                        0,
                        "bad-event",
                        "'" + deed.text + "' can't be undone; expected one time, or `every`",
                        {}};
                }
                for_a_while(deed, when_->from, *when_->to);
            }
            return checked();
        }
        each_instant([&](ExperimentTime at) {
            for (const Deed& deed : deeds) lasting(deed.text, deed.events, at);
        });
        return checked();
    }

    std::optional<TextProblem> flapping(const Flapping& flapping) {
        if (when_->to && !when_->repeats()) {
            for (ExperimentTime at = when_->from; at < *when_->to && !full();
                 at += 2 * flapping.period) {
                for (const Deed& deed : flapping.downs) {
                    for_a_while(deed, at, std::min(at + flapping.period, *when_->to));
                }
            }
            return checked();
        }
        each_instant([&](ExperimentTime at) {
            ExperimentTime until = at + flapping.period;
            if (end_) until = std::min(until, *end_);
            for (const Deed& deed : flapping.downs) for_a_while(deed, at, until);
        });
        return checked();
    }

    std::optional<TextProblem> churn(const Churn& churn) {
        if (when_->to && !when_->repeats()) {
            const auto span = static_cast<std::uint64_t>((*when_->to - when_->from).count());
            for (const HostId host : victims(churn)) {
                const std::uint64_t moment = stream_.below(span) / kResolution * kResolution;
                crash(host, when_->from + Duration{static_cast<std::int64_t>(moment)}, churn.down);
            }
            return checked();
        }
        each_instant([&](ExperimentTime at) {
            for (const HostId host : victims(churn)) crash(host, at, churn.down);
        });
        return checked();
    }

  private:
    // Random instants are whole microseconds: nobody wants to read more.
    static constexpr std::uint64_t kResolution = 1'000;

    bool full() const { return draft_->events_.size() > kMostEvents; }

    std::optional<TextProblem> checked() const {
        if (!full()) return std::nullopt;
        return TextProblem{0, "limit", "this makes more than 1000000 events", {}};
    }

    template <typename Do>
    void each_instant(Do happen) {
        if (!when_->repeats()) return happen(when_->from);
        ExperimentTime at = when_->from;
        if (when_->poisson) at += random_interval();
        while (at <= *when_->to && !full()) {
            happen(at);
            at += when_->poisson ? random_interval() : *when_->every;
        }
    }

    Duration random_interval() {
        const double mean_us = static_cast<double>(when_->poisson->count()) / 1'000.0;
        const double us = std::round(-std::log(stream_.unit()) * mean_us);
        return std::chrono::microseconds{std::max<std::int64_t>(static_cast<std::int64_t>(us), 1)};
    }

    void lasting(const std::string& text, const std::vector<Event>& events, ExperimentTime at) {
        for (const Event& event : events) {
            draft_->events_.push_back(TimedEvent{at, event, Phase::lasting, 0, text});
        }
    }

    void for_a_while(const Deed& deed, ExperimentTime from, ExperimentTime to) {
        if (deed.undo == Deed::Undo::opposite) {
            lasting(deed.text, deed.events, from);
            lasting(deed.opposite_text, deed.opposite, to);
            return;
        }
        if (from >= to) return;
        for (const Event& event : deed.events) {
            const std::uint32_t overlay = draft_->next_overlay_++;
            draft_->events_.push_back(TimedEvent{from, event, Phase::begin, overlay, deed.text});
            draft_->events_.push_back(TimedEvent{to, event, Phase::end, overlay, deed.text});
        }
    }

    // The first of a shuffled pack, in the order of their ids.
    std::vector<HostId> victims(const Churn& churn) {
        std::vector<HostId> pack = churn.hosts;
        const std::size_t count = std::min(churn.victims, pack.size());
        for (std::size_t i = 0; i < count; ++i) {
            std::swap(pack[i], pack[i + stream_.below(pack.size() - i)]);
        }
        pack.resize(count);
        std::ranges::sort(pack);
        return pack;
    }

    void crash(HostId host, ExperimentTime at, std::optional<Duration> down) {
        const Deed crashed = host_deed("crash", HostAction::Kind::crash, host, *topology_);
        lasting(crashed.text, crashed.events, at);
        if (!down || (end_ && at + *down > *end_)) return;
        const Deed back = host_deed("restart", HostAction::Kind::restart, host, *topology_);
        lasting(back.text, back.events, at + *down);
    }

    TimelineDraft* draft_;
    const When* when_;
    const Topology* topology_;
    std::optional<ExperimentTime> end_;
    SeededStream stream_;
};

namespace {

// A rule is known by what it does, not by how it is written.
std::string content_of(const EventLine& line, const When& when, const Topology& topology) {
    std::string content = when_text(when);
    const auto add_deeds = [&content](const std::vector<Deed>& deeds) {
        for (const Deed& deed : deeds) content += "\n" + deed.text;
    };
    std::visit(Overload{
                   add_deeds,
                   [&](const Flapping& flapping) {
                       content += "\nflap " + to_text(flapping.period);
                       add_deeds(flapping.downs);
                   },
                   [&](const Churn& churn) {
                       content += "\nchurn " + std::to_string(churn.victims);
                       if (churn.down) content += " " + to_text(*churn.down);
                       for (const HostId host : churn.hosts) {
                           content += "\n" + topology.host(host).name;
                       }
                   },
                   [](const NotYet&) {},
               },
               line);
    return content;
}

}  // namespace

std::optional<TextProblem> TimelineDraft::add(const EventLine& line, const When& when,
                                              const Topology& topology,
                                              std::optional<ExperimentTime> end,
                                              std::uint64_t seed) {
    SeededStream stream{seed, {}};
    if (when.poisson || std::holds_alternative<Churn>(line)) {
        const std::string content = content_of(line, when, topology);
        stream = SeededStream{seed, content, occurrences_[content]++};
    }
    Adder adder{*this, when, topology, end, stream};
    return std::visit(Overload{
                          [&](const std::vector<Deed>& deeds) { return adder.deeds(deeds); },
                          [&](const Flapping& flapping) { return adder.flapping(flapping); },
                          [&](const Churn& churn) { return adder.churn(churn); },
                          [](const NotYet&) { return std::optional<TextProblem>{}; },
                      },
                      line);
}

std::vector<TimedEvent> TimelineDraft::finish() && {
    std::ranges::sort(events_, std::less<>{});
    return std::move(events_);
}

}  // namespace pleat
