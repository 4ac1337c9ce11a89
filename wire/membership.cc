#include "wire/membership.hh"

#include <array>
#include <filesystem>
#include <optional>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <sys/stat.h>

#include "base/error.hh"
#include "base/files.hh"
#include "wire/control_socket.hh"

namespace pleat {

namespace {

constexpr std::string_view kPrefix = "pleat-join";
constexpr std::string_view kOperatorPrefix = "pleat-operator";
constexpr std::string_view kFirstLine = "pleat membership 1";

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    while (true) {
        const std::size_t at = text.find(separator);
        parts.push_back(text.substr(0, at));
        if (at == std::string_view::npos) return parts;
        text.remove_prefix(at + 1);
    }
}

}  // namespace

std::string join_text(const JoinString& join) {
    return fmt::format("{},{},{},{}", join.for_operator ? kOperatorPrefix : kPrefix, join.endpoint,
                       key_text(join.server_key), key_text(join.token));
}

Result<JoinString> parse_join(std::string_view text) {
    const std::vector<std::string_view> parts = split(text, ',');
    const bool known = parts[0] == kPrefix || parts[0] == kOperatorPrefix;
    if (!known || parts.size() != 4 || !parts[1].starts_with("tcp://")) {
        return fail(
            "this is no join string: expected what `pleat machines token` prints, "
            "pleat-join,tcp://ADDRESS:PORT,KEY,TOKEN, whole and on one line");
    }
    const Result<std::string> server_key = parse_key(parts[2]);
    const Result<std::string> token = parse_key(parts[3]);
    for (const Result<std::string>& key : {server_key, token}) {
        if (!key) return fail("the join string is damaged: " + key.error().message);
    }
    return JoinString{.endpoint = std::string{parts[1]},
                      .server_key = *server_key,
                      .token = *token,
                      .for_operator = parts[0] == kOperatorPrefix};
}

void write_membership(const std::string& path, const Membership& membership) {
    const std::filesystem::path directory = std::filesystem::path{path}.parent_path();
    make_private_directory(directory.string());
    write_secret_file(
        path, fmt::format("{}\n{}\n{}\n{}\n{}\n", kFirstLine, membership.name, membership.endpoint,
                          key_text(membership.server_key), key_text(membership.keys.secret_key)));
}

Result<Membership> read_membership(const std::string& path) {
    const Result<std::string> content = read_secret_file(path);
    if (!content) return tl::unexpected{content.error()};
    const std::vector<std::string_view> lines = split(*content, '\n');
    if (lines.size() != 6 || lines[0] != kFirstLine) {
        return fail(path + " is no membership file; remove it and join anew");
    }
    const Result<std::string> server_key = parse_key(lines[3]);
    const Result<std::string> secret = parse_key(lines[4]);
    if (!server_key || !secret) return fail(path + " is damaged; remove it and join anew");
    return Membership{.name = std::string{lines[1]},
                      .endpoint = std::string{lines[2]},
                      .server_key = *server_key,
                      .keys = pair_of(*secret)};
}

Result<Membership> join_controller(const JoinString& join, const std::string& name,
                                   Duration patience) {
    boost::asio::io_context loop{1};
    const KeyPair keys = make_key_pair();
    std::optional<Result<Membership>> answer;
    ControlClient client{
        loop, join.endpoint,
        [&](const Sender&, const ControlMessage& message) {
            if (std::holds_alternative<Joined>(message)) {
                answer = Membership{.name = std::get<Joined>(message).name,
                                    .endpoint = join.endpoint,
                                    .server_key = join.server_key,
                                    .keys = keys};
            } else if (const auto* refused = std::get_if<Refused>(&message)) {
                answer = fail("the controller refuses: " + refused->message);
            }
        },
        name,
        ClientConnection{.pass = Pass{.keys = pair_of(join.token), .server_key = join.server_key},
                         .connected = {},
                         .refused = [&](const std::string&) {
                             answer = fail(fmt::format(
                                 "the controller at {} does not know this token: it was used "
                                 "already, or is another controller's; get a new one with "
                                 "`pleat machines token`",
                                 join.endpoint));
                         }}};
    client.send(Join{.name = name,
                     .key = keys.public_key,
                     .version = PLEAT_VERSION,
                     .protocol = kProtocolVersion});
    const Instant deadline = monotonic_now() + patience;
    while (!answer && monotonic_now() < deadline) loop.run_one_for(std::chrono::milliseconds{50});
    if (answer) return *std::move(answer);
    return fail(fmt::format(
        "no answer from a controller at {} within {} s: it is not there, or it is another one than "
        "the join string is of",
        join.endpoint, std::chrono::duration_cast<std::chrono::seconds>(patience).count()));
}

}  // namespace pleat
