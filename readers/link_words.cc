#include "readers/link_words.hh"

#include <algorithm>
#include <array>

#include "readers/spelling.hh"
#include "readers/unit_text.hh"

namespace pleat {

namespace {

// A path of many links must not exceed what its key can hold; and nobody's packets take
// longer to Mars and back.
constexpr Duration kLongestLatency = std::chrono::hours{1};
constexpr std::int64_t kMostPackets = 1'000'000'000;
constexpr std::int64_t kMostOverhead = 1000;

constexpr std::array<std::string_view, 18> kKeys{
    "latency",   "jitter",  "dist",  "bandwidth", "rtt",   "up",     "down", "loss", "reorder",
    "duplicate", "corrupt", "queue", "overhead",  "trace", "shared", "tags", "name", "unlimited"};

bool is_number(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789.") == std::string_view::npos;
}

Result<Duration> parse_latency(std::string_view text) {
    auto latency = parse_duration(text);
    if (latency && *latency > kLongestLatency) {
        return fail("'" + std::string{text} + "': expected at most " + to_text(kLongestLatency));
    }
    return latency;
}

std::string no_longer_than_hint(std::string_view key) {
    return "'" + std::string{key} + "' can't be set by an event";
}

}  // namespace

void LinkWordsReader::problem(std::string code, std::string message, std::string suggest) {
    problems_.push_back(
        TextProblem{offset_, std::move(code), std::move(message), std::move(suggest)});
}

template <typename T>
void LinkWordsReader::once(std::optional<T>& field, std::string_view what, T value) {
    if (field) {
        problem("given-twice", "the " + std::string{what} + " is given twice");
        return;
    }
    field = std::move(value);
}

template <typename T, typename Parse>
void LinkWordsReader::read(std::optional<T>& field, std::string_view what, std::string_view text,
                           Parse parse) {
    auto value = parse(text);
    if (!value) {
        problem("bad-value", std::string{what} + " " + value.error().message,
                unit_suggestion(text));
        return;
    }
    once(field, what, *value);
}

std::vector<TextProblem> LinkWordsReader::take_problems() {
    return std::exchange(problems_, {});
}

void LinkWordsReader::word(Word word) {
    offset_ = word.offset;
    const auto equals = word.text.find('=');
    if (equals == std::string_view::npos) {
        bare(word.text);
    } else {
        field(word.text.substr(0, equals), word.text.substr(equals + 1));
    }
}

void LinkWordsReader::entry(std::string_view key, std::string_view value) {
    offset_ = 0;
    field(key, value);
}

void LinkWordsReader::bare(std::string_view text) {
    if (text == "shared" || text == "down") return field(text, "true");
    if (text == "unlimited") {
        return once(words_.patch.bandwidth, "bandwidth", Bandwidth::unlimited());
    }
    if (text.find('~') != std::string_view::npos || looks_like_duration(text)) {
        return set_latency(text);
    }
    if (is_number(text)) {
        return problem("bad-value", "'" + std::string{text} +
                                        "' has no unit; expected a latency such as 5ms or a "
                                        "bandwidth such as 10Mbps");
    }
    const bool number =
        !text.empty() && (text.front() == '-' || (text.front() >= '0' && text.front() <= '9'));
    if (number) return read(words_.patch.bandwidth, "bandwidth", text, parse_bandwidth);
    problem("unknown-word",
            "'" + std::string{text} +
                "' is no property of a link; expected a latency such as 5ms, a bandwidth such as "
                "10Mbps, or one of loss= jitter= queue= rtt= up= down= …",
            nearest_word(text, kKeys));
}

bool LinkWordsReader::allowed(std::string_view key, std::string_view value) {
    const bool of_file = key == "name" || key == "tags" || key == "shared" || key == "trace" ||
                         (key == "down" && (value == "true" || value == "false"));
    const bool of_two = key == "up" || key == "rtt" || (key == "down" && !of_file);
    const bool one = where_ == LinkWordsFor::one_way || where_ == LinkWordsFor::set_one;
    const bool set = where_ == LinkWordsFor::set_both || where_ == LinkWordsFor::set_one;
    if (of_file && set) {
        const char* instead = key == "down" ? "; write `down A--B`" : "";
        problem("not-here", no_longer_than_hint(key) + instead);
        return false;
    }
    if (where_ == LinkWordsFor::defaults && (of_file || key == "up" || key == "down")) {
        problem("not-here", "'" + std::string{key} + "' can't be a default of all links");
        return false;
    }
    if (of_two && one) {
        problem("not-here",
                "'" + std::string{key} + "=' needs both directions, but this is one (->)");
        return false;
    }
    return true;
}

void LinkWordsReader::field(std::string_view key, std::string_view value) {
    if (std::ranges::find(kKeys, key) == kKeys.end() || key == "unlimited") {
        const std::string suggest = key == "delay" ? "latency"
                                    : key == "rate" || key == "bw" || key == "capacity"
                                        ? "bandwidth"
                                    : key == "drop" ? "loss"
                                                    : nearest_word(key, kKeys);
        return problem("unknown-key", "a link has no property '" + std::string{key} + "'", suggest);
    }
    if (value.empty()) {
        return problem("bad-value", "'" + std::string{key} + "=' has no value");
    }
    if (!allowed(key, value)) return;
    LinkPatch& patch = words_.patch;
    if (key == "latency") return set_latency(value);
    if (key == "jitter") return read(patch.jitter, key, value, parse_latency);
    if (key == "dist") return set_distribution(value);
    if (key == "bandwidth") return read(patch.bandwidth, key, value, parse_bandwidth);
    if (key == "rtt") return set_round_trip(value);
    if (key == "up") return read(words_.up, key, value, parse_bandwidth);
    if (key == "down" && value != "true" && value != "false") {
        return read(words_.down, key, value, parse_bandwidth);
    }
    if (key == "down") return set_flag(words_.is_down, value);
    if (key == "shared" && value != "true" && value != "false" && valid_name(value)) {
        words_.shared = true;
        words_.shared_by = value;
        return;
    }
    if (key == "shared") return set_flag(words_.shared, value);
    if (key == "loss") return set_loss(value);
    if (key == "reorder") return read(patch.reorder, key, value, parse_probability);
    if (key == "duplicate") return read(patch.duplicate, key, value, parse_probability);
    if (key == "corrupt") return read(patch.corrupt, key, value, parse_probability);
    if (key == "queue") return set_queue(value);
    if (key == "overhead") return set_overhead(value);
    if (key == "trace") {
        if (!words_.trace.empty()) return problem("given-twice", "the trace is given twice");
        if (value.find_first_of(" \t\n") != std::string_view::npos) {
            return problem("bad-value", "trace=: a file's name may have no blanks here");
        }
        words_.trace = value;
        return;
    }
    if (key == "name") {
        if (!valid_name(value)) {
            return problem("bad-name", "'" + std::string{value} + "': " + std::string{kNameForm});
        }
        if (!words_.name.empty()) return problem("given-twice", "the name is given twice");
        words_.name = value;
        return;
    }
    for (const Word tag : split_at(value, ',')) {
        if (!valid_name(tag.text)) {
            problem("bad-name", "tag '" + std::string{tag.text} + "': " + std::string{kNameForm});
        } else {
            words_.tags.emplace_back(tag.text);
        }
    }
    std::ranges::sort(words_.tags);
    const auto rest = std::ranges::unique(words_.tags);
    words_.tags.erase(rest.begin(), rest.end());
}

void LinkWordsReader::set_flag(bool& flag, std::string_view text) {
    if (text != "true" && text != "false") {
        return problem("bad-value", "'" + std::string{text} + "': expected true or false");
    }
    flag = text == "true";
}

// "10ms" or "10ms~2ms".
void LinkWordsReader::set_latency(std::string_view text) {
    const auto tilde = text.find('~');
    read(words_.patch.latency, "latency", text.substr(0, tilde), parse_latency);
    if (tilde == std::string_view::npos) return;
    offset_ += tilde + 1;
    read(words_.patch.jitter, "jitter", text.substr(tilde + 1), parse_latency);
}

void LinkWordsReader::set_round_trip(std::string_view text) {
    std::optional<Duration> rtt;
    read(rtt, "rtt", text, parse_latency);
    if (!rtt) return;
    if (rtt->count() % 2 != 0) {
        return problem("bad-value",
                       "rtt '" + std::string{text} + "': half of it is no whole number of ns");
    }
    once(words_.patch.latency, "latency", *rtt / 2);
}

void LinkWordsReader::set_loss(std::string_view text) {
    if (words_.patch.loss || words_.patch.burst_loss) {
        return problem("given-twice", "the loss is given twice");
    }
    if (!text.starts_with("gemodel")) {
        auto loss = parse_probability(text);
        if (loss) {
            words_.patch.loss = *loss;
            return;
        }
        return problem("bad-value", "loss " + loss.error().message,
                       is_number(text) ? std::string{text} + "%" : std::string{});
    }
    constexpr std::string_view kForm =
        "expected gemodel(p,r,h,k): good to bad, bad to good, passing when bad, passing when good; "
        "h and k may be left out (0 and 1)";
    std::string_view inner = text.substr(std::string_view{"gemodel"}.size());
    if (!inner.starts_with('(') || !inner.ends_with(')')) {
        return problem("bad-value", "loss '" + std::string{text} + "': " + std::string{kForm});
    }
    inner = inner.substr(1, inner.size() - 2);
    const std::vector<Word> parts = split_at(inner, ',');
    if (parts.size() < 2 || parts.size() > 4) {
        return problem("bad-value", "loss '" + std::string{text} + "': " + std::string{kForm});
    }
    std::array<Probability, 4> values{Probability{}, Probability{}, Probability{},
                                      Probability::of(1.0)};
    for (std::size_t i = 0; i < parts.size(); ++i) {
        auto value = parse_probability(parts[i].text);
        if (!value) return problem("bad-value", "loss=gemodel: " + value.error().message);
        values[i] = *value;
    }
    words_.patch.burst_loss = GilbertElliott{values[0], values[1], values[2], values[3]};
}

void LinkWordsReader::set_queue(std::string_view text) {
    const auto digits_end = text.find_first_not_of("0123456789");
    QueueLimit limit;
    if (text == "bdp") return once(words_.patch.queue, "queue", limit);
    if (digits_end != std::string_view::npos && digits_end > 0 && text.substr(digits_end) == "p") {
        auto packets =
            parse_whole(text.substr(0, digits_end), "a number of packets", 1, kMostPackets);
        if (!packets) return problem("bad-value", "queue " + packets.error().message);
        limit = QueueLimit{QueueLimit::Kind::packets, *packets};
    } else if (looks_like_duration(text)) {
        auto time = parse_latency(text);
        if (!time) {
            return problem("bad-value", "queue " + time.error().message, unit_suggestion(text));
        }
        if (*time == Duration::zero()) return problem("bad-value", "a queue is longer than 0s");
        limit = QueueLimit{QueueLimit::Kind::time, time->count()};
    } else {
        auto size = parse_size(text);
        if (!size) {
            return problem("bad-value", "queue '" + std::string{text} +
                                            "': expected bdp, packets (100p), a size (256KB) or a "
                                            "time (20ms)");
        }
        limit = QueueLimit{QueueLimit::Kind::bytes, size->bytes()};
    }
    once(words_.patch.queue, "queue", limit);
}

void LinkWordsReader::set_overhead(std::string_view text) {
    Overhead overhead;
    if (text == "ethernet") {
        overhead.bytes_per_packet = Overhead::kEthernet;
    } else if (text == "none") {
        overhead.bytes_per_packet = Overhead::kNone;
    } else if (text == "wire") {
        overhead.bytes_per_packet = Overhead::kWire;
    } else {
        std::string_view number = text;
        const bool bytes = number.ends_with('B');
        if (bytes) number.remove_suffix(1);
        auto value = parse_whole(number, "bytes a packet", 0, kMostOverhead);
        if (!bytes || !value) {
            constexpr std::array<std::string_view, 3> kKnown{"ethernet", "none", "wire"};
            return problem("bad-value",
                           "overhead '" + std::string{text} +
                               "': expected ethernet, none, wire or bytes a packet such as 18B",
                           nearest_word(text, kKnown));
        }
        overhead.bytes_per_packet = static_cast<std::int32_t>(*value);
    }
    once(words_.patch.overhead, "overhead", overhead);
}

void LinkWordsReader::set_distribution(std::string_view text) {
    constexpr std::array<std::string_view, 3> kKnown{"normal", "uniform", "pareto"};
    const auto* const found = std::ranges::find(kKnown, text);
    if (found == kKnown.end()) {
        return problem("bad-value",
                       "dist '" + std::string{text} + "': expected normal, uniform or pareto",
                       nearest_word(text, kKnown));
    }
    once(words_.patch.distribution, "distribution",
         static_cast<JitterDistribution>(found - kKnown.begin()));
}

LinkWords read_link_words(std::string_view text, LinkWordsFor where,
                          std::vector<TextProblem>& problems) {
    LinkWordsReader reader{where};
    for (const Word word : split_words(text)) reader.word(word);
    for (TextProblem& problem : reader.take_problems()) problems.push_back(std::move(problem));
    return reader.words();
}

}  // namespace pleat
