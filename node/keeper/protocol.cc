#include "node/keeper/protocol.hh"

#include <algorithm>
#include <cstring>
#include <type_traits>

namespace pleat::keeper {

namespace {

constexpr std::uint32_t kMagic = 0x504c4b50;
constexpr std::size_t kLongestProblem = 4096;

// Both ends are on one machine: numbers travel in its own byte order.
class Writer {
  public:
    template <typename T>
    void operator()(const T& value)
        requires std::is_arithmetic_v<T> || std::is_enum_v<T>
    {
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes of a number
        out_.append(reinterpret_cast<const char*>(&value), sizeof value);
    }

    void operator()(const std::string& text) {
        (*this)(static_cast<std::uint32_t>(text.size()));
        out_ += text;
    }

    void operator()(const std::array<std::uint8_t, 16>& bytes) {
        for (const std::uint8_t byte : bytes) (*this)(byte);
    }

    template <typename T>
    void operator()(const std::vector<T>& list) {
        (*this)(static_cast<std::uint32_t>(list.size()));
        for (const T& item : list) (*this)(item);
    }

    template <typename A, typename B>
    void operator()(const std::pair<A, B>& both) {
        (*this)(both.first);
        (*this)(both.second);
    }

    template <typename T>
    void operator()(const std::optional<T>& maybe) {
        (*this)(maybe.has_value());
        if (maybe) (*this)(*maybe);
    }

    template <typename T>
    void operator()(const T& fields_of)
        requires std::is_class_v<T>
    {
        // fields() is written once, for reading; here it only looks.
        fields(*this, const_cast<T&>(fields_of));  // NOLINT(cppcoreguidelines-pro-type-const-cast)
    }

    std::string take() { return std::move(out_); }

  private:
    std::string out_;
};

// Takes fields off a message. After the first that is not there, nothing is good.
class Reader {
  public:
    explicit Reader(std::string_view in) : in_{in} {}

    template <typename T>
    void operator()(T& value)
        requires std::is_arithmetic_v<T> || std::is_enum_v<T>
    {
        if (in_.size() < sizeof value) return spoil();
        // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): its size has been looked at
        std::memcpy(&value, in_.data(), sizeof value);
        in_.remove_prefix(sizeof value);
    }

    // Any other byte than 0 and 1 in a bool would be undefined.
    void operator()(bool& value) {
        std::uint8_t byte = 0;
        (*this)(byte);
        if (byte > 1) return spoil();
        value = byte == 1;
    }

    void operator()(ReadyKind& kind) { choose(kind, ReadyKind::delay); }

    void operator()(Behind& behind) { choose(behind, Behind::machine); }

    void operator()(std::string& text) {
        std::uint32_t size = 0;
        (*this)(size);
        if (in_.size() < size) return spoil();
        text.assign(in_.substr(0, size));
        in_.remove_prefix(size);
        // They become C strings: what is behind a 0 would vanish silently.
        if (text.find('\0') != std::string::npos) spoil();
    }

    void operator()(std::array<std::uint8_t, 16>& bytes) {
        for (std::uint8_t& byte : bytes) (*this)(byte);
    }

    template <typename T>
    void operator()(std::vector<T>& list) {
        std::uint32_t size = 0;
        (*this)(size);
        // Every item has at least one byte, so a forged size can't make us allocate.
        if (in_.size() < size) return spoil();
        for (std::uint32_t i = 0; i < size && good_; ++i) (*this)(list.emplace_back());
    }

    template <typename A, typename B>
    void operator()(std::pair<A, B>& both) {
        (*this)(both.first);
        (*this)(both.second);
    }

    template <typename T>
    void operator()(std::optional<T>& maybe) {
        bool has = false;
        (*this)(has);
        if (has) (*this)(maybe.emplace());
    }

    template <typename T>
    void operator()(T& fields_of)
        requires std::is_class_v<T>
    {
        fields(*this, fields_of);
    }

    // Everything was there, and nothing else.
    bool complete() const { return good_ && in_.empty(); }

  private:
    template <typename Enumeration>
    void choose(Enumeration& value, Enumeration last) {
        std::uint8_t byte = 0;
        (*this)(byte);
        if (byte > static_cast<std::uint8_t>(last)) return spoil();
        value = static_cast<Enumeration>(byte);
    }

    void spoil() {
        good_ = false;
        in_ = {};
    }

    std::string_view in_;
    bool good_ = true;
};

template <typename Archive>
void fields(Archive& a, Setup& m) {
    a(m.number), a(m.behind), a(m.host), a(m.hostname), a(m.ipv4), a(m.ipv4_prefix), a(m.ipv6),
        a(m.ipv6_prefix);
    a(m.etc), a(m.socket), a(m.runtime_directory), a(m.sysctls), a(m.default_route), a(m.outside),
        a(m.grace_ns), a(m.open_files);
}

template <typename Archive>
void fields(Archive& a, Identity& m) {
    a(m.user), a(m.group), a(m.groups);
}

template <typename Archive>
void fields(Archive& a, Program& m) {
    a(m.arguments), a(m.environment), a(m.identity), a(m.log), a(m.streams);
}

template <typename Archive>
void fields(Archive& a, Ready& m) {
    a(m.kind), a(m.tcp_port), a(m.file), a(m.delay_ns);
}

template <typename Archive>
void fields(Archive& a, Start& m) {
    a(m.program), a(m.ready);
}

template <typename Archive>
void fields(Archive& a, Execute& m) {
    a(m.token), a(m.program);
}

template <typename Archive>
void fields(Archive& a, Signal& m) {
    a(m.number);
}

template <typename Archive>
void fields(Archive& a, Stop& m) {
    a(m.grace_ns);
}

template <typename Archive>
void fields(Archive&, End&) {}

template <typename Archive>
void fields(Archive& a, Hello& m) {
    a(m.mark);
}

template <typename Archive>
void fields(Archive& a, Hold& m) {
    a(m.name);
}

template <typename Archive>
void fields(Archive& a, Up& m) {
    a(m.running), a(m.ready), a(m.held), a(m.notes);
}

template <typename Archive>
void fields(Archive& a, Held& m) {
    a(m.name);
}

template <typename Archive>
void fields(Archive& a, SetupFailed& m) {
    a(m.problem), a(m.missing_feature);
}

template <typename Archive>
void fields(Archive& a, Started& m) {
    a(m.at_ns);
}

template <typename Archive>
void fields(Archive& a, StartFailed& m) {
    a(m.at_ns), a(m.problem);
}

template <typename Archive>
void fields(Archive& a, BecameReady& m) {
    a(m.at_ns);
}

template <typename Archive>
void fields(Archive& a, Exited& m) {
    a(m.at_ns), a(m.wait_status);
}

template <typename Archive>
void fields(Archive& a, ExecuteEnded& m) {
    a(m.token), a(m.wait_status);
}

template <typename Archive>
void fields(Archive&, Stopped&) {}

// Requests and reports are numbered apart, so that one can't be read as the other.
template <typename Message>
constexpr std::uint16_t kFirstType = std::is_same_v<Message, Request> ? 1 : 101;

template <typename Message>
std::string encoded(const Message& message) {
    Writer writer;
    writer(kMagic);
    writer(kProtocolVersion);
    writer(static_cast<std::uint16_t>(kFirstType<Message> + message.index()));
    std::visit([&writer](const auto& m) { writer(m); }, message);
    return writer.take();
}

// Reads into the alternative that the type names.
template <typename Message, std::size_t I = 0>
std::optional<Message> decoded(Reader& reader, std::size_t index) {
    if constexpr (I < std::variant_size_v<Message>) {
        if (index != I) return decoded<Message, I + 1>(reader, index);
        std::variant_alternative_t<I, Message> m;
        reader(m);
        if (!reader.complete()) return std::nullopt;
        return Message{std::in_place_index<I>, std::move(m)};
    }
    return std::nullopt;
}

template <typename Message>
std::optional<Message> decode(std::string_view message) {
    if (message.size() > kMaximumMessage) return std::nullopt;
    Reader reader{message};
    std::uint32_t magic = 0;
    std::uint16_t version = 0;
    std::uint16_t type = 0;
    reader(magic);
    reader(version);
    reader(type);
    if (magic != kMagic || version != kProtocolVersion || type < kFirstType<Message>) {
        return std::nullopt;
    }
    return decoded<Message>(reader, type - kFirstType<Message>);
}

}  // namespace

std::optional<std::string> encode(const Request& request) {
    std::string message = encoded(request);
    if (message.size() > kMaximumMessage) return std::nullopt;
    return message;
}

std::string encode(const Report& report) {
    Report bounded = report;
    const auto shorten = [](std::string& text) {
        text.resize(std::min(text.size(), kLongestProblem));
    };
    if (auto* const up = std::get_if<Up>(&bounded)) shorten(up->notes);
    if (auto* const failed = std::get_if<SetupFailed>(&bounded)) shorten(failed->problem);
    if (auto* const failed = std::get_if<StartFailed>(&bounded)) shorten(failed->problem);
    return encoded(bounded);
}

std::optional<Request> decode_request(std::string_view message) {
    return decode<Request>(message);
}

std::optional<Report> decode_report(std::string_view message) {
    return decode<Report>(message);
}

}  // namespace pleat::keeper
