#include "node/hosts/host_program.hh"

#include <array>
#include <sstream>

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include "base/files.hh"
#include "base/overload.hh"

namespace pleat {

namespace {

struct User {
    keeper::Identity identity;
    std::string home;
};

// In a user namespace only mapped users can be become.
bool can_become(uid_t user) {
    std::istringstream map{read_file("/proc/self/uid_map").value_or("")};
    std::uint64_t inside = 0;
    std::uint64_t outside = 0;
    std::uint64_t count = 0;
    while (map >> inside >> outside >> count) {
        if (user >= inside && user - inside < count) return ::geteuid() == 0 || user == ::geteuid();
    }
    return false;
}

Result<User> find_user(const std::string& name) {
    std::array<char, 16384> text{};
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwnam_r(name.c_str(), &entry, text.data(), text.size(), &found) != 0 ||
        found == nullptr) {
        return fail("there is no user '" + name + "' on this machine");
    }
    if (!can_become(found->pw_uid)) return fail("to run as user '" + name + "' takes root");
    std::array<gid_t, 256> groups{};
    int count = static_cast<int>(groups.size());
    if (::getgrouplist(name.c_str(), found->pw_gid, groups.data(), &count) < 0) {
        return fail("user '" + name + "' has more than 256 groups");
    }
    User user;
    user.identity.user = found->pw_uid;
    user.identity.group = found->pw_gid;
    user.identity.groups.assign(groups.begin(), groups.begin() + count);
    user.home = found->pw_dir;
    return user;
}

}  // namespace

Result<keeper::Program> host_program(const Application& application, const HostFacts& facts,
                                     std::vector<std::string> arguments) {
    keeper::Program program;
    program.arguments = std::move(arguments);
    program.log = facts.log;
    program.environment = {"PLEAT_RUN=" + facts.run, "PLEAT_HOST=" + facts.name,
                           "PLEAT_ADDRESS=" + facts.ipv4, "PLEAT_ADDRESS6=" + facts.ipv6};
    if (!application.user.empty()) {
        const Result<User> user = find_user(application.user);
        if (!user) return fail(user.error().message);
        program.identity = user->identity;
        program.environment.push_back("USER=" + application.user);
        program.environment.push_back("LOGNAME=" + application.user);
        program.environment.push_back("HOME=" + user->home);
    }
    for (const auto& [name, value] : application.environment) {
        program.environment.push_back(fmt::format("{}={}", name, value));
    }
    return program;
}

keeper::Ready ready_condition(const Application& application) {
    keeper::Ready ready;
    if (!application.ready) return ready;
    std::visit(Overload{[&ready](const ReadyWhenListening& when) {
                            ready.kind = keeper::ReadyKind::tcp_port;
                            ready.tcp_port = when.tcp_port;
                        },
                        [&ready](const ReadyWhenFile& when) {
                            ready.kind = keeper::ReadyKind::file;
                            ready.file = when.path;
                        },
                        [&ready](const ReadyAfter& when) {
                            ready.kind = keeper::ReadyKind::delay;
                            ready.delay_ns = when.delay.count();
                        }},
               *application.ready);
    return ready;
}

std::string unmet(const Application& application) {
    if (!application.ready) return "it was not started";
    return std::visit(
        Overload{[](const ReadyWhenListening& when) {
                     return "no socket listens on TCP port " + std::to_string(when.tcp_port);
                 },
                 [](const ReadyWhenFile& when) { return "there is no file " + when.path; },
                 [](const ReadyAfter&) { return std::string{"its delay is not over"}; }},
        *application.ready);
}

}  // namespace pleat
