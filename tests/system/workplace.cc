#include "tests/system/workplace.hh"

#include <filesystem>

#include <catch2/catch.hpp>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/error.hh"
#include "base/files.hh"

namespace pleat::system_test {

namespace fs = std::filesystem;

namespace {

// Once for the whole program: both last as long as it does.
void withdraw_from_the_machine() {
    check("cannot adopt orphans", ::prctl(PR_SET_CHILD_SUBREAPER, 1));
    if (::geteuid() != 0) return;
    check("cannot leave the mount namespace", ::unshare(CLONE_NEWNS));
    check("cannot make mounts private",
          ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr));
    check("cannot mount an empty /run", ::mount("tmpfs", "/run", "tmpfs", 0, "mode=755"));
    fs::create_directory("/run/mount");  // mount(8) makes it
}

std::string fresh_directory() {
    static const bool withdrawn = (withdraw_from_the_machine(), true);
    static_cast<void>(withdrawn);
    std::string name = "/tmp/system-test-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw Failure{"cannot make a directory in /tmp"};
    // Without root the places for sockets are in the directory, too.
    fs::create_directory(name + "/runtime");
    fs::permissions(name + "/runtime", fs::perms::owner_all);
    return name;
}

}  // namespace

Workplace::Workplace() : directory_{fresh_directory()}, before_{MachineState::now(directory_)} {}

Workplace::~Workplace() {
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
}

std::string Workplace::write(const std::string& name, const std::string& content) {
    write_new_file(path(name), content);
    before_.expect_file(path(name));
    return path(name);
}

Command Workplace::command(std::vector<std::string> arguments) const {
    Command command;
    command.arguments = std::move(arguments);
    command.directory = directory_;
    command.environment = {"XDG_RUNTIME_DIR=" + path("runtime")};
    return command;
}

Command Workplace::pleat(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), our_program("pleat"));
    return command(std::move(arguments));
}

Ended Workplace::run(std::vector<std::string> arguments, Duration patience) const {
    return run_program(pleat(std::move(arguments)), patience);
}

std::vector<std::string> Workplace::runtime_directories() const {
    const std::string place = ::geteuid() == 0 ? "/run/pleat" : path("runtime/pleat");
    std::vector<std::string> result;
    std::error_code gone;
    for (const auto& entry : fs::directory_iterator{place, gone}) {
        if (entry.path().filename().string().starts_with("r-")) {
            result.push_back(entry.path().string());
        }
    }
    return result;
}

bool is_root_or_skips(const std::string& what) {
    if (::geteuid() == 0) return true;
    WARN("left out, since it needs root: " << what);
    return false;
}

bool can_run_or_skips() {
    static const bool can = [] {
        Command doctor;
        doctor.arguments = {our_program("pleat"), "doctor", "--json"};
        return run_program(doctor).code == 0;
    }();
    if (!can) WARN("left out, since this machine can't run hosts: see `pleat doctor`");
    return can;
}

nlohmann::json document(const std::string& text) {
    nlohmann::json parsed = nlohmann::json::parse(text, nullptr, false);
    INFO(text);
    REQUIRE_FALSE(parsed.is_discarded());
    return parsed;
}

bool has(const std::string& text, const std::string& wanted) {
    return text.find(wanted) != std::string::npos;
}

}  // namespace pleat::system_test
