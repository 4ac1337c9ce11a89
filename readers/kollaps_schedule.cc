#include "readers/kollaps_schedule.hh"

#include <algorithm>
#include <array>

#include "readers/link_words.hh"
#include "readers/seeded_stream.hh"
#include "readers/spelling.hh"
#include "readers/unit_text.hh"

namespace pleat {

namespace {

constexpr std::int64_t kMostReplicas = 65'000;

bool changes_link(const XmlElement& element) {
    return std::ranges::any_of(element.attributes, [](const XmlAttribute& attribute) {
        constexpr std::array<std::string_view, 5> kProperties{"latency", "jitter", "drop", "upload",
                                                              "download"};
        return std::ranges::find(kProperties, attribute.name) != kProperties.end();
    });
}

}  // namespace

bool KollapsNames::known(const std::string& name) const {
    return services.contains(name) || bridges.contains(name) || supervisors.contains(name);
}

std::string KollapsNames::nearest(const std::string& name) const {
    NearestWord nearest{name};
    for (const auto& [other, service] : services) nearest.consider(other);
    for (const auto& [other, place] : bridges) nearest.consider(other);
    return nearest.found();
}

LinkProperties kollaps_properties(const XmlElement& element, const KollapsValues& values,
                                  LinkProperties base) {
    if (const auto latency = values.milliseconds(element, "latency")) base.latency = *latency;
    if (const auto jitter = values.milliseconds(element, "jitter")) base.jitter = *jitter;
    if (const auto drop = values.fraction(element, "drop")) base.loss = *drop;
    if (const auto upload = values.rate(element, "upload")) base.bandwidth = *upload;
    return base;
}

bool KollapsSchedule::check_name(const XmlAttribute& name) const {
    if (names_->known(name.value)) return true;
    Report& report = values_->report();
    report.error(name.value_place, "unknown-name",
                 "there is no service or bridge '" + name.value + "'",
                 report.patient() ? names_->nearest(name.value) : std::string{});
    return false;
}

std::optional<KollapsSchedule::Entry> KollapsSchedule::read_entry(const XmlElement& element) {
    Report& report = values_->report();
    Entry entry;
    entry.element = &element;
    if (values_->required(element, "time") == nullptr) return std::nullopt;
    const auto time = values_->seconds(element, "time");
    if (!time) return std::nullopt;
    entry.time = *time;
    const XmlAttribute* action = element.find("action");
    if (action != nullptr) entry.action = action->value;

    const XmlAttribute* name = element.find("name");
    if (name == nullptr) {
        const XmlAttribute* origin = values_->required(element, "origin");
        const XmlAttribute* dest = values_->required(element, "dest");
        if (origin == nullptr || dest == nullptr) return std::nullopt;
        const bool known = check_name(*origin);
        if (!check_name(*dest) || !known) return std::nullopt;
        entry.subject = origin->value;
        entry.destination = dest->value;
        if (names_->supervisors.contains(entry.subject) ||
            names_->supervisors.contains(entry.destination)) {
            return std::nullopt;
        }
    } else {
        if (!check_name(*name) || names_->supervisors.contains(name->value)) return std::nullopt;
        entry.subject = name->value;
        entry.about = names_->bridges.contains(name->value) ? About::bridge : About::service;
        const auto amount = values_->count(element, "amount", 1, kMostReplicas);
        if (amount) entry.amount = static_cast<std::uint32_t>(*amount);
    }

    constexpr std::array<std::string_view, 5> kActions{"join", "leave", "crash", "disconnect",
                                                       "reconnect"};
    const auto count = entry.about == About::service ? kActions.size() : 2;
    const auto allowed = std::span{kActions}.first(count);
    if (entry.about == About::link && action == nullptr) {
        if (changes_link(element)) return entry;
        report.error(element.place, "missing", "this schedule changes nothing");
        return std::nullopt;
    }
    if (action == nullptr) {
        values_->required(element, "action");
        return std::nullopt;
    }
    if (std::ranges::find(allowed, entry.action) == allowed.end()) {
        report.error(action->value_place, "unknown-action",
                     "there is no action '" + entry.action + "' of a " +
                         (entry.about == About::service  ? "service"
                          : entry.about == About::bridge ? "bridge"
                                                         : "link"),
                     nearest_word(entry.action, allowed));
        return std::nullopt;
    }
    return entry;
}

void KollapsSchedule::read(const XmlElement& dynamic) {
    constexpr std::array<std::string_view, 10> kKnown{"name",   "time",  "action",  "amount",
                                                      "origin", "dest",  "latency", "jitter",
                                                      "drop",   "upload"};
    for (const XmlElement& element : dynamic.children) {
        if (element.name != "schedule") {
            values_->report().warning(element.place, "unknown-element",
                                      "<" + element.name + "> means nothing in <dynamic>",
                                      "schedule");
            continue;
        }
        for (const XmlAttribute& attribute : element.attributes) {
            if (attribute.name == "download" ||
                std::ranges::find(kKnown, attribute.name) != kKnown.end()) {
                continue;
            }
            values_->report().warning(attribute.name_place, "unknown-key",
                                      "'" + attribute.name + "' means nothing in <schedule>",
                                      nearest_word(attribute.name, kKnown));
        }
        if (auto entry = read_entry(element)) entries_.push_back(std::move(*entry));
    }
    std::ranges::sort(entries_, {}, [](const Entry& entry) {
        return std::pair{entry.time, entry.element->place};  // then as in the file
    });
    count_replicas();
}

// With `reuse`, as many as ever run at once; else one for each join.
void KollapsSchedule::count_replicas() {
    std::map<std::string, std::int64_t> running;
    std::map<std::string, std::int64_t> most;
    for (const Entry& entry : entries_) {
        if (entry.about != About::service) continue;
        KollapsService& service = names_->services.at(entry.subject);
        const std::int64_t amount = entry.amount;
        if (entry.action == "join") {
            service.joins = true;
            running[entry.subject] += amount;
        } else if (service.reuse && (entry.action == "leave" || entry.action == "crash")) {
            running[entry.subject] -= amount;
        }
        most[entry.subject] = std::max(most[entry.subject], running[entry.subject]);
    }
    for (auto& [name, service] : names_->services) {
        if (!service.joins) continue;
        service.replicas =
            static_cast<std::uint32_t>(std::clamp<std::int64_t>(most[name], 1, kMostReplicas + 1));
        service.numbered = service.replicas > 1;
    }
}

void KollapsSchedule::add_line(const Entry& entry, std::string line, ScenarioDraft& draft) const {
    const XmlAttribute* time = entry.element->find("time");
    EventDraft event;
    event.when = to_text(entry.time);
    event.when_place = TextPlace{time != nullptr ? time->value_place : entry.element->place, {}};
    event.line = std::move(line);
    event.line_place = TextPlace{entry.element->place, {}};
    draft.events.push_back(std::move(event));
}

void KollapsSchedule::add_to(ScenarioDraft& draft) {
    for (const LinkDraft& link : draft.links) {
        links_[{link.from, link.to}] = true;
        if (link.two_way) links_[{link.to, link.from}] = true;
    }
    for (const auto& [name, service] : names_->services) {
        Replicas& state = replicas_[name];
        // Without joins, all run from the start (or never do, which is noted elsewhere).
        state.running.assign(service.replicas, !service.joins);
        state.joined = state.running;
        state.disconnected.assign(service.replicas, false);
    }
    for (const Entry& entry : entries_) {
        switch (entry.about) {
            case About::service:
                add_service_event(entry, draft);
                break;
            case About::bridge:
                add_line(entry, entry.action + " " + entry.subject, draft);
                break;
            case About::link:
                add_link_event(entry, draft);
                break;
        }
    }
}

void KollapsSchedule::add_service_event(const Entry& entry, ScenarioDraft& draft) {
    const KollapsService& service = names_->services.at(entry.subject);
    Replicas& state = replicas_.at(entry.subject);
    const bool join = entry.action == "join";
    const bool ends = entry.action == "leave" || entry.action == "crash";
    std::vector<std::uint32_t> eligible;
    for (std::uint32_t i = 0; i < state.running.size(); ++i) {
        bool fits = false;
        if (join) {
            fits = service.reuse ? !state.running[i] : !state.joined[i];
        } else if (entry.action == "reconnect") {
            fits = state.disconnected[i];
        } else {
            fits = state.running[i] && (ends || !state.disconnected[i]);
        }
        if (fits) eligible.push_back(i);
    }
    if (eligible.size() < entry.amount) {
        values_->report().error(entry.element->place, "bad-event",
                                "'" + entry.action + "' of " + std::to_string(entry.amount) +
                                    " at " + to_text(entry.time) + ": only " +
                                    std::to_string(eligible.size()) + " of '" + entry.subject +
                                    "' can");
        return;
    }
    SeededStream stream{draft.seed, "kollaps " + entry.subject, draws_[entry.subject]++};
    for (std::size_t i = 0; i < entry.amount; ++i) {
        std::swap(eligible[i], eligible[i + stream.below(eligible.size() - i)]);
    }
    eligible.resize(entry.amount);
    std::ranges::sort(eligible);
    for (const std::uint32_t i : eligible) {
        if (join) state.joined[i] = true;
        if (join || ends) {
            state.running[i] = join;
            state.disconnected[i] = false;
        } else {
            state.disconnected[i] = entry.action == "disconnect";
        }
        std::string host = entry.subject;
        if (service.numbered) host += "[" + std::to_string(i) + "]";
        add_line(entry, entry.action + " " + host, draft);
    }
}

bool KollapsSchedule::linked(const std::string& from, const std::string& to) const {
    return links_.contains({from, to});
}

void KollapsSchedule::add_link_event(const Entry& entry, ScenarioDraft& draft) {
    Report& report = values_->report();
    if (entry.action == "join") return add_link_join(entry, draft);
    if (!linked(entry.subject, entry.destination)) {
        report.error(
            entry.element->place, "unknown-link",
            "there is no link from '" + entry.subject + "' to '" + entry.destination + "'");
        return;
    }
    if (entry.action == "leave") {
        links_[{entry.subject, entry.destination}] = false;
        return add_line(entry, "down " + entry.subject + "->" + entry.destination, draft);
    }
    add_link_change(entry, draft);
}

// One that left comes back as it was; another one is new.
void KollapsSchedule::add_link_join(const Entry& entry, ScenarioDraft& draft) {
    Report& report = values_->report();
    const XmlElement& element = *entry.element;
    const auto found = links_.find({entry.subject, entry.destination});
    if (found != links_.end()) {
        if (found->second) {
            report.error(element.place, "bad-event",
                         "the link from '" + entry.subject + "' to '" + entry.destination +
                             "' is there already");
            return;
        }
        if (changes_link(element)) {
            report.note(element.place, "kollaps",
                        "a link that left comes back as it was; what is given here is not applied");
        }
        found->second = true;
        return add_line(entry, "up " + entry.subject + "->" + entry.destination, draft);
    }
    const bool complete = values_->required(element, "latency") != nullptr &&
                          values_->required(element, "upload") != nullptr;
    if (!complete) return;
    LinkDraft link;
    link.from = entry.subject;
    link.to = entry.destination;
    link.from_place = element.find("origin")->value_place;
    link.to_place = element.find("dest")->value_place;
    link.forward = kollaps_properties(element, *values_, LinkProperties{});
    link.backward = link.forward;
    const auto download = values_->rate(element, "download");
    link.two_way = element.find("download") != nullptr;
    if (download) link.backward.bandwidth = *download;
    const auto shared = [this](const std::string& name) {
        const auto service = names_->services.find(name);
        return service != names_->services.end() && service->second.share;
    };
    link.shared_from = shared(link.from);
    link.shared_to = shared(link.to);
    link.up = false;
    links_[{link.from, link.to}] = true;
    if (link.two_way) links_[{link.to, link.from}] = true;
    add_line(entry, "up " + link.from + (link.two_way ? "--" : "->") + link.to, draft);
    draft.links.push_back(std::move(link));
}

// `download` makes it a change of both directions.
void KollapsSchedule::add_link_change(const Entry& entry, ScenarioDraft& draft) {
    const XmlElement& element = *entry.element;
    LinkPatch patch;
    patch.latency = values_->milliseconds(element, "latency");
    patch.jitter = values_->milliseconds(element, "jitter");
    patch.loss = values_->fraction(element, "drop");
    LinkPatch forward = patch;
    forward.bandwidth = values_->rate(element, "upload");
    LinkPatch backward = patch;
    backward.bandwidth = values_->rate(element, "download");
    if (forward != LinkPatch{}) {
        add_line(entry,
                 "set " + entry.subject + "->" + entry.destination + " " + link_words_text(forward),
                 draft);
    }
    if (element.find("download") == nullptr || backward == LinkPatch{}) return;
    if (!linked(entry.destination, entry.subject)) {
        values_->report().note(element.place, "kollaps",
                               "the link is one-way; `download` changes nothing");
        return;
    }
    add_line(entry,
             "set " + entry.destination + "->" + entry.subject + " " + link_words_text(backward),
             draft);
}

}  // namespace pleat
