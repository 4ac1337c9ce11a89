#include "readers/event_line.hh"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "readers/event_patterns.hh"
#include "readers/link_words.hh"
#include "readers/shell_words.hh"
#include "readers/spelling.hh"
#include "readers/unit_text.hh"

namespace pleat {

namespace {

constexpr Duration kFlapPeriod = std::chrono::seconds{1};
constexpr Duration kShortestFlap = std::chrono::milliseconds{1};
constexpr Duration kLongestTime = std::chrono::hours{24 * 365};

using Kind = HostAction::Kind;
using Deeds = Parsed<std::vector<Deed>>;

tl::unexpected<TextProblem> refuse(std::size_t offset, std::string code, std::string message,
                                   std::string suggest = {}) {
    return tl::unexpected{
        TextProblem{offset, std::move(code), std::move(message), std::move(suggest)}};
}

// What stands after the verb.
struct Line {
    std::string verb;
    Word rest;
    std::size_t end = 0;  // of the line: where something is missing
};

std::vector<Event> only(Event event) {
    std::vector<Event> events;
    events.push_back(std::move(event));
    return events;
}

std::vector<Deed> only(Deed deed) {
    std::vector<Deed> deeds;
    deeds.push_back(std::move(deed));
    return deeds;
}

// What can't be undone.
Deed final_deed(std::string text, Event event) {
    Deed deed;
    deed.text = std::move(text);
    deed.events.push_back(std::move(event));
    return deed;
}

Deed overlaid(std::string text, std::vector<Event> events) {
    Deed deed;
    deed.text = std::move(text);
    deed.events = std::move(events);
    deed.undo = Deed::Undo::overlay;
    return deed;
}

Deed vertex_deed(const std::string& verb, bool up, VertexId v, const Topology& topology) {
    std::string text = verb + " " + topology.name(v);
    if (up) return overlaid(std::move(text), only(VertexUp{v}));
    return overlaid(std::move(text), only(VertexDown{v}));
}

class Reader {
  public:
    Reader(Line line, Selector& names) : line_{std::move(line)}, names_{&names} {}

    Parsed<EventLine> read();

  private:
    Deeds set();
    Deeds links(bool up);
    Deeds reset();
    Deeds hosts(Kind kind, std::optional<Kind> opposite, std::string_view opposite_verb);
    Deeds connect(bool up);
    Deeds join_or_leave(bool join);
    Deeds partition();
    Deeds execute();
    Deeds nothing_more(Deed deed) const;
    Parsed<EventLine> flap();
    Parsed<EventLine> churn();
    Parsed<EventLine> trace();

    Parsed<std::vector<LinkObject>> link_list(const Squeezed& squeezed, const Patterns& patterns,
                                              std::string_view form);
    Parsed<std::vector<HostId>> host_list(std::string_view form);

    tl::unexpected<TextProblem> missing(std::string_view form) const {
        return refuse(line_.end, "missing", "expected `" + std::string{form} + "`");
    }

    Line line_;
    Selector* names_;
};

Parsed<EventLine> Reader::read() {
    const std::string& verb = line_.verb;
    const auto deeds = [](Deeds result) -> Parsed<EventLine> {
        if (!result) return tl::unexpected{std::move(result.error())};
        return EventLine{std::move(*result)};
    };
    if (verb == "set") return deeds(set());
    if (verb == "up" || verb == "down") return deeds(links(verb == "up"));
    if (verb == "reset") return deeds(reset());
    if (verb == "flap") return flap();
    if (verb == "partition") return deeds(partition());
    if (verb == "heal") return deeds(nothing_more(overlaid("heal", only(Heal{}))));
    if (verb == "quit") return deeds(nothing_more(final_deed("quit", Quit{})));
    if (verb == "start") return deeds(hosts(Kind::start, Kind::stop, "stop"));
    if (verb == "stop") return deeds(hosts(Kind::stop, Kind::start, "start"));
    if (verb == "crash") return deeds(hosts(Kind::crash, Kind::restart, "restart"));
    if (verb == "restart") return deeds(hosts(Kind::restart, {}, {}));
    if (verb == "pause") return deeds(hosts(Kind::pause, Kind::resume, "resume"));
    if (verb == "resume") return deeds(hosts(Kind::resume, Kind::pause, "pause"));
    if (verb == "disconnect") return deeds(connect(false));
    if (verb == "reconnect") return deeds(connect(true));
    if (verb == "join" || verb == "leave") return deeds(join_or_leave(verb == "join"));
    if (verb == "churn") return churn();
    if (verb == "trace") return trace();
    if (verb == "exec") return deeds(execute());
    if (verb == "mark") {
        if (line_.rest.text.empty()) return missing("mark TEXT");
        const std::string text{line_.rest.text};
        return EventLine{only(final_deed("mark " + text, Mark{text}))};
    }
    constexpr std::array<std::string_view, 21> kVerbs{
        "set",  "up",    "down",    "flap",  "partition", "heal",       "start",
        "stop", "crash", "restart", "pause", "resume",    "disconnect", "reconnect",
        "join", "leave", "churn",   "trace", "exec",      "mark",       "reset"};
    return refuse(0, "unknown-action", "there is no action '" + verb + "'",
                  nearest_word(verb, kVerbs));
}

Deeds Reader::nothing_more(Deed deed) const {
    if (!line_.rest.text.empty()) {
        return refuse(
            line_.rest.offset, "bad-event",
            "'" + line_.verb + "' takes nothing, found '" + std::string{line_.rest.text} + "'");
    }
    return only(std::move(deed));
}

Parsed<std::vector<LinkObject>> Reader::link_list(const Squeezed& squeezed,
                                                  const Patterns& patterns, std::string_view form) {
    if (patterns.words.empty()) return missing(form);
    std::map<std::string, LinkObject> objects;
    for (const Word pattern : patterns.words) {
        auto found = names_->links(pattern);
        if (!found) {
            squeezed.place(found.error());
            return tl::unexpected{std::move(found.error())};
        }
        for (LinkObject& object : *found) objects.emplace(object.text, std::move(object));
    }
    std::vector<LinkObject> result;
    result.reserve(objects.size());
    for (auto& [text, object] : objects) result.push_back(std::move(object));
    return result;
}

Deeds Reader::set() {
    constexpr std::string_view kForm = "set A--B 10ms 5Mbps …";
    const Squeezed squeezed{line_.rest};
    const Patterns patterns = take_patterns(squeezed.text, true);
    auto objects = link_list(squeezed, patterns, kForm);
    if (!objects) return tl::unexpected{std::move(objects.error())};

    const bool one_way =
        std::ranges::any_of(*objects, [](const LinkObject& object) { return object.one_way; });
    std::vector<TextProblem> problems;
    const LinkWords words = read_link_words(
        patterns.rest.text, one_way ? LinkWordsFor::set_one : LinkWordsFor::set_both, problems);
    if (!problems.empty()) {
        TextProblem first = problems.front();
        first.offset += patterns.rest.offset;
        squeezed.place(first);
        return tl::unexpected{std::move(first)};
    }
    const std::string text = link_words_text(words.patch, words.up, words.down);
    if (text.empty()) return missing(kForm);

    std::vector<Deed> deeds;
    for (const LinkObject& object : *objects) {
        std::vector<Event> events;
        const auto change = [&](const std::vector<LinkId>& links, std::optional<Bandwidth> own) {
            LinkPatch patch = words.patch;
            if (own) patch.bandwidth = own;
            if (patch == LinkPatch{}) return;
            for (const LinkId id : links) events.emplace_back(LinkChange{id, patch});
        };
        if ((words.up && object.forward.empty()) || (words.down && object.backward.empty())) {
            return refuse(line_.rest.offset, "unknown-link",
                          "'" + object.text + "' has one direction only; up= and down= need both");
        }
        if (words.patch.bandwidth && (words.up || words.down)) {
            return refuse(line_.rest.offset, "given-twice", "the bandwidth is given twice");
        }
        change(object.forward, words.up);
        change(object.backward, words.down);
        deeds.push_back(overlaid("set " + object.text + " " + text, std::move(events)));
    }
    return deeds;
}

std::vector<Deed> link_deeds(const std::vector<LinkObject>& objects, bool up) {
    std::vector<Deed> deeds;
    for (const LinkObject& object : objects) {
        std::vector<Event> events;
        for (const auto* direction : {&object.forward, &object.backward}) {
            for (const LinkId id : *direction) {
                if (up) {
                    events.emplace_back(LinkUp{id});
                } else {
                    events.emplace_back(LinkDown{id});
                }
            }
        }
        deeds.push_back(overlaid((up ? "up " : "down ") + object.text, std::move(events)));
    }
    return deeds;
}

Deeds Reader::links(bool up) {
    const Squeezed squeezed{line_.rest};
    auto objects = link_list(squeezed, take_patterns(squeezed.text, false), line_.verb + " A--B");
    if (!objects) return tl::unexpected{std::move(objects.error())};
    return link_deeds(*objects, up);
}

Deeds Reader::reset() {
    const Squeezed squeezed{line_.rest};
    auto objects = link_list(squeezed, take_patterns(squeezed.text, false), "reset A--B");
    if (!objects) return tl::unexpected{std::move(objects.error())};
    std::vector<Deed> deeds;
    for (const LinkObject& object : *objects) {
        Deed& deed = deeds.emplace_back();
        deed.text = "reset " + object.text;
        for (const LinkId id : object.forward) deed.events.emplace_back(LinkReset{id});
        for (const LinkId id : object.backward) deed.events.emplace_back(LinkReset{id});
    }
    return deeds;
}

Parsed<EventLine> Reader::flap() {
    constexpr std::string_view kForm = "flap A--B every 500ms";
    const Squeezed squeezed{line_.rest};
    const Patterns patterns = take_patterns(squeezed.text, true);
    auto objects = link_list(squeezed, patterns, kForm);
    if (!objects) return tl::unexpected{std::move(objects.error())};

    Flapping flapping{link_deeds(*objects, false), kFlapPeriod};
    const std::vector<Word> words = split_words(patterns.rest.text);
    if (words.empty()) return EventLine{std::move(flapping)};
    const auto here = [&](const Word& word) {
        return squeezed.offsets[patterns.rest.offset + word.offset];
    };
    if (words.size() != 2 || words[0].text != "every") {
        return refuse(here(words[0]), "bad-event", "expected `" + std::string{kForm} + "`");
    }
    const auto period = parse_duration(words[1].text);
    if (!period) {
        return refuse(here(words[1]), "bad-value", period.error().message,
                      unit_suggestion(words[1].text));
    }
    if (*period < kShortestFlap || *period > kLongestTime) {
        return refuse(here(words[1]), "bad-value", "a link flaps every 1ms or slower");
    }
    flapping.period = *period;
    return EventLine{std::move(flapping)};
}

Parsed<std::vector<HostId>> Reader::host_list(std::string_view form) {
    const Patterns patterns = take_patterns(line_.rest.text, false);
    if (patterns.words.empty()) return missing(form);
    std::vector<HostId> result;
    for (Word pattern : patterns.words) {
        pattern.offset += line_.rest.offset;
        auto found = names_->hosts(pattern);
        if (!found) return tl::unexpected{std::move(found.error())};
        result.insert(result.end(), found->begin(), found->end());
    }
    std::ranges::sort(result);
    const auto rest = std::ranges::unique(result);
    result.erase(rest.begin(), rest.end());
    return result;
}

Deeds Reader::hosts(Kind kind, std::optional<Kind> opposite, std::string_view opposite_verb) {
    auto hosts = host_list(line_.verb + " HOST");
    if (!hosts) return tl::unexpected{std::move(hosts.error())};
    std::vector<Deed> deeds;
    for (const HostId host : *hosts) {
        Deed deed = host_deed(line_.verb, kind, host, names_->topology());
        if (opposite) {
            Deed other = host_deed(opposite_verb, *opposite, host, names_->topology());
            deed.undo = Deed::Undo::opposite;
            deed.opposite_text = std::move(other.text);
            deed.opposite = std::move(other.events);
        }
        deeds.push_back(std::move(deed));
    }
    return deeds;
}

Deeds Reader::connect(bool up) {
    auto hosts = host_list(line_.verb + " HOST");
    if (!hosts) {
        if (hosts.error().code == "not-a-host") {
            hosts.error().message +=
                std::string{"; of a bridge, write `"} + (up ? "join" : "leave") + "`";
        }
        return tl::unexpected{std::move(hosts.error())};
    }
    std::vector<Deed> deeds;
    for (const HostId host : *hosts) {
        deeds.push_back(vertex_deed(line_.verb, up, Topology::vertex(host), names_->topology()));
    }
    return deeds;
}

// Of bridges, their links; of hosts, what runs there.
Deeds Reader::join_or_leave(bool join) {
    const Patterns patterns = take_patterns(line_.rest.text, false);
    if (patterns.words.empty()) return missing(line_.verb + " BRIDGE");
    std::map<VertexId, Deed> deeds;
    for (Word pattern : patterns.words) {
        pattern.offset += line_.rest.offset;
        const auto points = names_->points(pattern);
        if (!points) return tl::unexpected{points.error()};
        for (const VertexId v : *points) {
            if (names_->topology().is_host(v)) {
                const HostId host{v.value};
                const Kind kind = join ? Kind::start : Kind::stop;
                Deed deed = host_deed(line_.verb, kind, host, names_->topology());
                Deed other = host_deed(join ? "leave" : "join", join ? Kind::stop : Kind::start,
                                       host, names_->topology());
                deed.undo = Deed::Undo::opposite;
                deed.opposite_text = std::move(other.text);
                deed.opposite = std::move(other.events);
                deeds.emplace(v, std::move(deed));
                continue;
            }
            deeds.emplace(v, vertex_deed(line_.verb, join, v, names_->topology()));
        }
    }
    std::vector<Deed> result;
    result.reserve(deeds.size());
    for (auto& [v, deed] : deeds) result.push_back(std::move(deed));
    return result;
}

Deeds Reader::partition() {
    constexpr std::string_view kForm = "partition A, B | C";
    const std::vector<Word> sides = split_at(line_.rest.text, '|');
    if (sides.size() < 2) return missing(kForm);
    std::map<VertexId, std::size_t> side_of;
    Partition partition;
    for (std::size_t i = 0; i < sides.size(); ++i) {
        const Patterns patterns = take_patterns(sides[i].text, false);
        if (patterns.words.empty()) return missing(kForm);
        std::vector<VertexId> members;
        for (Word pattern : patterns.words) {
            pattern.offset += sides[i].offset + line_.rest.offset;
            const auto points = names_->points(pattern);
            if (!points) return tl::unexpected{points.error()};
            for (const VertexId v : *points) {
                const auto [found, fresh] = side_of.emplace(v, i);
                if (!fresh && found->second != i) {
                    return refuse(pattern.offset, "bad-event",
                                  "'" + names_->topology().name(v) + "' is on two sides");
                }
                if (fresh) members.push_back(v);
            }
        }
        std::ranges::sort(members);
        partition.sides.push_back(std::move(members));
    }
    std::ranges::sort(partition.sides);
    std::string text;
    for (const auto& side : partition.sides) {
        text += (text.empty() ? "partition " : " | ") + names_->points_text(side);
    }
    return only(overlaid(std::move(text), only(std::move(partition))));
}

Parsed<EventLine> Reader::churn() {
    constexpr std::string_view kForm = "churn PATTERN 5% down=10s";
    const Patterns patterns = take_patterns(line_.rest.text, true);
    const std::vector<Word> words = split_words(patterns.rest.text);
    if (patterns.words.empty() || words.empty()) return missing(kForm);
    const auto here = [&](const Word& word) {
        return line_.rest.offset + patterns.rest.offset + word.offset;
    };
    Churn churn;
    for (Word pattern : patterns.words) {
        pattern.offset += line_.rest.offset;
        auto found = names_->hosts(pattern);
        if (!found) return tl::unexpected{std::move(found.error())};
        churn.hosts.insert(churn.hosts.end(), found->begin(), found->end());
    }
    std::ranges::sort(churn.hosts);
    const auto rest = std::ranges::unique(churn.hosts);
    churn.hosts.erase(rest.begin(), rest.end());

    const auto count = static_cast<double>(churn.hosts.size());
    if (words[0].text.ends_with('%')) {
        const auto part = parse_probability(words[0].text);
        if (!part) return refuse(here(words[0]), "bad-value", part.error().message);
        // The nearest number, but who asks for churn gets some.
        const auto nearest = static_cast<std::size_t>(std::lround(part->value() * count));
        churn.victims = part->value() > 0.0 ? std::max<std::size_t>(nearest, 1) : 0;
    } else {
        const auto number = parse_whole(words[0].text, "a share (5%) or a number of hosts", 1,
                                        static_cast<std::int64_t>(churn.hosts.size()));
        if (!number) return refuse(here(words[0]), "bad-value", number.error().message);
        churn.victims = static_cast<std::size_t>(*number);
    }
    if (words.size() == 1) return EventLine{std::move(churn)};
    if (words.size() > 2 || !words[1].text.starts_with("down=")) {
        return refuse(here(words[1]), "bad-event", "expected `" + std::string{kForm} + "`");
    }
    const std::string_view down_text = words[1].text.substr(5);
    const auto down = parse_duration(down_text);
    if (!down) {
        return refuse(here(words[1]) + 5, "bad-value", down.error().message,
                      unit_suggestion(down_text));
    }
    if (*down > kLongestTime) return refuse(here(words[1]) + 5, "bad-value", "this is too long");
    churn.down = *down;
    return EventLine{std::move(churn)};
}

Parsed<EventLine> Reader::trace() {
    constexpr std::string_view kForm = "trace A--B FILE";
    const Squeezed squeezed{line_.rest};
    const Patterns patterns = take_patterns(squeezed.text, true);
    auto objects = link_list(squeezed, patterns, kForm);
    if (!objects) return tl::unexpected{std::move(objects.error())};
    if (trimmed(patterns.rest.text).empty()) return missing(kForm);
    return EventLine{NotYet{"trace " + squeezed.text}};
}

Deeds Reader::execute() {
    constexpr std::string_view kForm = "exec HOST -- COMMAND";
    const std::string_view text = line_.rest.text;
    const auto dashes = text.find("-- ");
    const bool apart = dashes != std::string_view::npos && dashes > 0 && text[dashes - 1] == ' ';
    if (!apart) return missing(kForm);
    const auto arguments = split_shell(text.substr(dashes + 3));
    if (!arguments) {
        return refuse(line_.rest.offset + dashes + 3, "bad-command", arguments.error().message);
    }
    if (arguments->empty()) return missing(kForm);
    line_.rest.text = text.substr(0, dashes);
    auto hosts = host_list(kForm);
    if (!hosts) return tl::unexpected{std::move(hosts.error())};

    std::vector<Deed> deeds;
    for (const HostId id : *hosts) {
        const Host& host = names_->topology().host(id);
        std::vector<std::string> own;
        std::vector<std::string> written;
        for (const std::string& argument : *arguments) {
            own.push_back(with_replica(argument, std::to_string(host.replica), host.name));
            written.push_back(with_dollars_doubled(own.back()));
        }
        deeds.push_back(final_deed("exec " + host.name + " -- " + join_shell(written),
                                   Execute{id, std::move(own)}));
    }
    return deeds;
}

}  // namespace

Deed host_deed(std::string_view verb, HostAction::Kind kind, HostId host,
               const Topology& topology) {
    Deed deed;
    deed.text = std::string{verb} + " " + topology.host(host).name;
    deed.events.emplace_back(HostAction{kind, host});
    return deed;
}

Parsed<EventLine> parse_event_words(std::string_view text, Selector& names) {
    const Word line = trimmed(Word{text, 0});
    const auto blank = line.text.find_first_of(" \t\n");
    Line parts;
    parts.verb = line.text.substr(0, blank);
    parts.end = line.offset + line.text.size();
    if (blank != std::string_view::npos) {
        parts.rest = trimmed(Word{line.text.substr(blank), line.offset + blank});
    }
    if (parts.verb.empty()) {
        return refuse(0, "missing", "expected an event such as `set A--B 10ms`");
    }
    auto result = Reader{std::move(parts), names}.read();
    if (!result && result.error().code == "unknown-action") result.error().offset = line.offset;
    return result;
}

}  // namespace pleat
