#include "base/interface_undo.hh"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>

#include <linux/netlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.hh"
#include "base/file_descriptor.hh"
#include "base/files.hh"

namespace pleat {

namespace {

constexpr const char* kMagic = "pleat-interface-1";

std::string file_in(const std::string& directory) {
    return directory + "/interface";
}

std::string hexadecimal(const std::string& bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const char byte : bytes) {
        text += kDigits[static_cast<unsigned char>(byte) >> 4U];
        text += kDigits[static_cast<unsigned char>(byte) & 15U];
    }
    return text;
}

// The keeper has this, too, and no streams.
std::vector<std::string_view> words_of(std::string_view text) {
    std::vector<std::string_view> words;
    while (true) {
        const std::size_t first = text.find_first_not_of(" \n");
        if (first == std::string_view::npos) return words;
        text.remove_prefix(first);
        words.push_back(text.substr(0, text.find_first_of(" \n")));
        text.remove_prefix(words.back().size());
    }
}

template <typename Number>
std::optional<Number> number(std::string_view text, int base = 10) {
    Number value = 0;
    const char* const last = text.data() + text.size();
    // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): its end is `last`
    const auto [end, status] = std::from_chars(text.data(), last, value, base);
    if (status != std::errc{} || end != last) return {};
    return value;
}

std::optional<std::string> bytes_of(std::string_view text) {
    std::string bytes;
    if (text.size() % 2 != 0) return {};
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const auto byte = number<unsigned>(text.substr(i, 2), 16);
        if (!byte) return {};
        bytes += static_cast<char>(*byte);
    }
    return bytes;
}

std::optional<InterfaceUndo> parse(std::string_view text) {
    const std::vector<std::string_view> words = words_of(text);
    if (words.size() < 4 || words.size() % 2 != 0 || words[0] != kMagic) return {};
    const auto index = number<unsigned>(words[2]);
    const auto network_namespace = number<std::uint64_t>(words[3]);
    if (!index || !network_namespace) return {};
    InterfaceUndo undo{.interface = std::string{words[1]},
                       .index = *index,
                       .network_namespace = *network_namespace,
                       .ours = {},
                       .then = {}};
    for (std::size_t i = 4; i < words.size(); i += 2) {
        const auto request = bytes_of(words[i + 1]);
        if (!request) return {};
        (words[i] == "ours" ? undo.ours : undo.then).push_back(*request);
    }
    return undo;
}

// Answers whether the kernel has done it.
class Requests {
  public:
    Requests() : socket_{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)} {
        check("cannot open netlink", socket_.value());
    }

    bool send(std::string request) {
        nlmsghdr header{};
        if (request.size() < sizeof header) return false;
        std::memcpy(&header, request.data(), sizeof header);
        header.nlmsg_len = static_cast<std::uint32_t>(request.size());
        header.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
        header.nlmsg_seq = ++sequence_;
        header.nlmsg_pid = 0;
        std::memcpy(request.data(), &header, sizeof header);
        check("cannot ask netlink",
              static_cast<int>(::send(socket_.value(), request.data(), request.size(), 0)));
        std::array<char, 8192> answer{};
        while (true) {
            const ssize_t size = ::recv(socket_.value(), answer.data(), answer.size(), 0);
            if (size < 0 && errno == EINTR) continue;
            check("netlink does not answer", static_cast<int>(size));
            nlmsgerr error{};
            if (static_cast<std::size_t>(size) < sizeof header + sizeof error) continue;
            std::memcpy(&header, answer.data(), sizeof header);
            if (header.nlmsg_type != NLMSG_ERROR || header.nlmsg_seq != sequence_) continue;
            std::memcpy(&error, answer.data() + NLMSG_HDRLEN, sizeof error);
            return error.error == 0;
        }
    }

  private:
    FileDescriptor socket_;
    std::uint32_t sequence_ = 0;
};

}  // namespace

std::uint64_t this_network_namespace() {
    struct stat facts{};
    check("cannot look at the network namespace", ::stat("/proc/self/ns/net", &facts));
    return facts.st_ino;
}

void write_interface_undo(const std::string& directory, const InterfaceUndo& undo) {
    std::string text = std::string{kMagic} + " " + undo.interface + " " +
                       std::to_string(undo.index) + " " + std::to_string(undo.network_namespace) +
                       "\n";
    for (const std::string& request : undo.ours) text += "ours " + hexadecimal(request) + "\n";
    for (const std::string& request : undo.then) text += "then " + hexadecimal(request) + "\n";
    write_secret_file(file_in(directory), text);
}

std::optional<InterfaceUndo> read_interface_undo(const std::string& directory) {
    const auto text = read_file(file_in(directory));
    if (!text) return {};
    auto undo = parse(*text);
    if (!undo) {
        throw Failure{file_in(directory) +
                      " is damaged: look with `tc qdisc show` and `tc filter show` for what pleat "
                      "left on this machine's interface, remove it, then remove this file"};
    }
    return undo;
}

void remove_interface_undo(const std::string& directory) {
    ::unlink(file_in(directory).c_str());
}

std::optional<std::string> undo_interface(const std::string& directory) {
    const std::optional<InterfaceUndo> undo = read_interface_undo(directory);
    if (!undo) return {};
    if (undo->network_namespace != this_network_namespace()) {
        throw Failure{"interface " + undo->interface +
                      " is of another network namespace than this process: put back what it had "
                      "from there"};
    }
    std::optional<std::string> done;
    if (::if_nametoindex(undo->interface.c_str()) == undo->index) {
        Requests requests;
        for (const std::string& request : undo->ours) {
            if (requests.send(request)) done = undo->interface;
        }
        for (const std::string& request : undo->then) {
            // Rule (1); and what is not there need not be removed.
            if (done) static_cast<void>(requests.send(request));
        }
    }
    remove_interface_undo(directory);
    return done;
}

}  // namespace pleat
