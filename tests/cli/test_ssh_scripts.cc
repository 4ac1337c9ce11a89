// The scripts are run by a real shell, in a directory that stands for the other machine's home.
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "base/files.hh"
#include "base/process.hh"
#include "cli/ssh_scripts.hh"
#include "tests/cli/world.hh"

using namespace pleat;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

class Account {
  public:
    Account() {
        fs::create_directory(home());
        fs::create_directory(path("programs"));
    }

    std::string path(const std::string& name) const { return directory_.path() / name; }

    std::string home() const { return path("home"); }

    std::string machine() const { return home() + "/.local/lib/pleat/machine"; }

    // A program that stands for one of that machine.
    void program(const std::string& file, const std::string& script) const {
        write_new_file(file, "#!/bin/sh\n" + script);
        fs::permissions(file, fs::perms::owner_all);
    }

    // The exit code; `said` is all that it wrote.
    int shell(const std::string& script) {
        write_new_file(path("script"), script);
        Command command;
        command.arguments = {
            "sh", "-c", fmt::format("sh <{0}/script >{0}/said 2>&1", directory_.path().string())};
        command.environment = {"HOME=" + home(), "PATH=" + path("programs") + ":/usr/bin:/bin",
                               "XDG_STATE_HOME=" + path("state")};
        Result<Child> child = Child::start(command);
        REQUIRE(child);
        const auto status = child->wait_until(monotonic_now() + 20s);
        said = read_file(path("said")).value_or("");
        REQUIRE(status);
        return status->code();
    }

    std::string said;

  private:
    testing::TemporaryDirectory directory_;
};

// As the real one where it matters: says its version, joins with what it reads, and stays.
std::string pleat_node(const std::string& version) {
    return fmt::format(R"sh(case "$*" in
*--version*) echo 'pleat-node {}' ;;
*--join-only*) cat >"$(dirname "$0")/../token"; echo "$@" >"$(dirname "$0")/../joined" ;;
esac
)sh",
                       version);
}

const RemoteNode m2_node{.name = "m2", .advertise = {}, .room = {}};
const InstalledNode m2_mark{.name = "m2", .version = "1.0", .controller = "tcp://c:7400"};

}  // namespace

TEST_CASE("what ssh would take for an option is no destination") {
    CHECK(check_destination("user@host"));
    CHECK(check_destination("host.example.org"));
    for (const char* const bad : {"", "-oProxyCommand=evil", "a b", "a\nb", "a\tb"}) {
        CHECK_FALSE(check_destination(bad));
    }
}

TEST_CASE("an account is looked at without a change") {
    Account account;
    REQUIRE(account.shell(probe_script()) == 0);
    CHECK(fs::is_empty(account.home()));
    const Result<RemoteAccount> found = parse_probe("Welcome!\na=b\n" + account.said);
    REQUIRE(found);
    CHECK(found->home == account.home());
    CHECK_FALSE(found->installed);
}

TEST_CASE("an answer that is cut off, or a home that shells would read, is refused") {
    CHECK_FALSE(parse_probe(""));
    CHECK_FALSE(parse_probe("pleat:home=/root\npleat:manager=none\n"));
    CHECK(parse_probe("pleat:home=/root\npleat:end=yes\n"));
    for (const char* const home : {"", "relative", "/a b", "/a;b", "/$(b)", "/%h"}) {
        CHECK_FALSE(parse_probe(fmt::format("pleat:home={}\npleat:end=yes\n", home)));
    }
}

TEST_CASE("what was prepared is recognised, and removed with all that was made for it") {
    Account account;
    const RemotePlaces places{
        .home = account.home(), .manager = RemoteManager::none, .unit_directory = {}};
    REQUIRE(account.shell(prepare_script(places, m2_mark)) == 0);
    CHECK(account.shell(prepare_script(places, m2_mark)) != 0);  // never taken over
    REQUIRE(account.shell(probe_script()) == 0);
    const Result<RemoteAccount> found = parse_probe(account.said);
    REQUIRE(found);
    CHECK(found->installed == m2_mark);
    CHECK(account.shell(remove_script(places, "m3")) != 0);
    CHECK(fs::exists(account.machine()));
    INFO(account.said);
    REQUIRE(account.shell(remove_script(places, "m2")) == 0);
    CHECK(fs::is_empty(account.home()));
}

TEST_CASE("files and directories that are not ours stay") {
    Account account;
    fs::create_directories(account.home() + "/.local/lib");
    const RemotePlaces places{
        .home = account.home(), .manager = RemoteManager::none, .unit_directory = {}};
    REQUIRE(account.shell(prepare_script(places, m2_mark)) == 0);
    write_new_file(account.machine() + "/mine", "precious");
    CHECK(account.shell(remove_script(places, "m2")) != 0);
    CHECK(account.said.find("mine") != std::string::npos);
    CHECK(fs::exists(account.machine() + "/mine"));
    fs::remove(account.machine() + "/mine");
    CHECK(account.shell(remove_script(places, "m2")) == 0);
    CHECK(fs::exists(account.home() + "/.local/lib"));  // was there before
    CHECK_FALSE(fs::exists(account.home() + "/.local/lib/pleat"));
}

TEST_CASE("a directory that pleat did not make is not taken for a machine") {
    Account account;
    fs::create_directories(account.machine());
    REQUIRE(account.shell(probe_script()) == 0);
    CHECK_FALSE(parse_probe(account.said));
}

TEST_CASE(
    "another version, or a program that does not run there, is told before the token is used") {
    Account account;
    const RemotePlaces places{
        .home = account.home(), .manager = RemoteManager::none, .unit_directory = {}};
    REQUIRE(account.shell(prepare_script(places, m2_mark)) == 0);
    account.program(account.machine() + "/pleat-keeper", "");
    account.program(account.machine() + "/pleat-node", pleat_node("0.9"));
    CHECK(account.shell(install_script(places, m2_node, "1.0", "secret")) != 0);
    CHECK(account.said.find("found: pleat-node 0.9") != std::string::npos);
    account.program(account.machine() + "/pleat-node", "echo no libzmq >&2; exit 127");
    CHECK(account.shell(install_script(places, m2_node, "1.0", "secret")) != 0);
    CHECK(account.said.find("no libzmq") != std::string::npos);
    CHECK_FALSE(fs::exists(account.home() + "/.local/lib/pleat/token"));
}

TEST_CASE("the token comes to the node by standard input, on no command line") {
    Account account;
    const RemotePlaces places{
        .home = account.home(), .manager = RemoteManager::none, .unit_directory = {}};
    REQUIRE(account.shell(prepare_script(places, m2_mark)) == 0);
    account.program(account.machine() + "/pleat-keeper", "");
    account.program(account.machine() + "/pleat-node", pleat_node("1.0"));
    REQUIRE(account.shell(install_script(places, m2_node, "1.0", "secret")) == 0);
    CHECK(read_file(account.home() + "/.local/lib/pleat/token") == "secret\n");
    const std::string line = read_file(account.home() + "/.local/lib/pleat/joined").value_or("");
    CHECK(line.find("secret") == std::string::npos);
    CHECK(line.find("--name m2") != std::string::npos);
}

TEST_CASE("a service manager is given a unit, and told when it goes") {
    Account account;
    const std::string units = account.home() + "/.config/systemd/user";
    const RemotePlaces places{
        .home = account.home(), .manager = RemoteManager::user, .unit_directory = units};
    account.program(account.path("programs") + "/systemctl",
                    fmt::format("echo \"$@\" >>{}\n", account.path("orders")));
    REQUIRE(account.shell(prepare_script(places, m2_mark)) == 0);
    account.program(account.machine() + "/pleat-keeper", "");
    account.program(account.machine() + "/pleat-node", pleat_node("1.0"));
    REQUIRE(account.shell(install_script(places, m2_node, "1.0", "secret")) == 0);
    CHECK(read_file(places.unit()) == unit_text(places, m2_node));
    INFO(account.said);
    fs::remove(account.home() + "/.local/lib/pleat/token");
    fs::remove(account.home() + "/.local/lib/pleat/joined");
    REQUIRE(account.shell(remove_script(places, "m2")) == 0);
    CHECK(read_file(account.path("orders")) ==
          "--user daemon-reload\n--user enable --now pleat-machine.service\n"
          "--user disable --now pleat-machine.service\n--user daemon-reload\n");
    CHECK(fs::is_empty(account.home()));
}

TEST_CASE("a process that has got the number of our node is not stopped") {
    Account account;
    const RemotePlaces places{
        .home = account.home(), .manager = RemoteManager::none, .unit_directory = {}};
    REQUIRE(account.shell(prepare_script(places, m2_mark)) == 0);
    Command command;
    command.arguments = {"sleep", "60"};
    Result<Child> other = Child::start(command);
    REQUIRE(other);
    write_new_file(account.machine() + "/pid", fmt::format("{}\n", other->pid()));
    CHECK(account.shell(remove_script(places, "m2")) == 0);
    CHECK_FALSE(other->wait_until(Instant{}));
}
