#include <csignal>
#include <fstream>
#include <random>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.hh"
#include "base/ledger_file.hh"
#include "base/process.hh"
#include "base/run_ledger.hh"
#include "tests/hosts/scratch_directory.hh"

using namespace std::chrono_literals;

namespace pleat {

namespace {

Child sleeper(std::vector<std::string> environment = {}) {
    Command command;
    command.arguments = {"sleep", "100"};
    command.environment = std::move(environment);
    auto child = Child::start(command);
    REQUIRE(child);
    return std::move(*child);
}

bool ended(Child& child) {
    return child.wait_until(monotonic_now()).has_value();
}

// The ledger of a run whose owner has ended, with these lines.
std::string dead_run(const std::string& place, const std::string& lines) {
    std::string directory = place + "/r-dead";
    ::mkdir(directory.c_str(), 0700);
    // A process of our pid that started at another time: it is no more.
    write_new_file(directory + "/ledger",
                   ledger::header_line(ledger::this_machine(), "r-dead", "r-dead:mark") +
                       ledger::process_line("owner", ::getpid(), 1) + lines);
    return directory;
}

}  // namespace

TEST_CASE("a run whose owner is gone can be adopted, once, with all that it has") {
    const ScratchDirectory place;
    Child keeper = sleeper();
    const std::string path = place.path() + "/socket";
    write_new_file(path, "");
    struct stat facts{};
    REQUIRE(::stat(path.c_str(), &facts) == 0);
    const std::string directory = dead_run(
        place.path(),
        ledger::process_line("keeper a", keeper.pid(), process_start_ticks(keeper.pid()).value()) +
            ledger::path_line(path, facts.st_dev, facts.st_ino));
    CHECK_FALSE(RunLedger::adopt("r-other", {place.path()}));
    std::optional<RunLedger> adopted = RunLedger::adopt("r-dead", {"/nowhere", place.path()});
    REQUIRE(adopted);
    CHECK(adopted->directory() == directory);
    CHECK(adopted->mark() == "r-dead:mark");
    // Its owner lives now: nobody cleans it, or adopts it.
    CHECK(find_leftovers({place.path()}).empty());
    CHECK(clean({place.path()}, 0s).nothing_to_do());
    CHECK_FALSE(RunLedger::adopt("r-dead", {place.path()}));
    adopted->record_process("keeper b", keeper.pid());
    const auto content = ledger::read(directory);
    REQUIRE(content);
    REQUIRE(content->processes.size() == 3);
    CHECK(content->processes[0].pid == ::getpid());
    CHECK(content->processes[1].role == "keeper a");
    CHECK(content->processes[2].role == "keeper b");
    REQUIRE(content->paths.size() == 1);
    CHECK(end_processes(*adopted, 2s).empty());
    CHECK(ended(keeper));
    adopted->dissolve();
    CHECK(::access(path.c_str(), F_OK) != 0);
    CHECK(::access(directory.c_str(), F_OK) != 0);
}

TEST_CASE("a run of another boot is not adopted") {
    const ScratchDirectory place;
    const std::string directory = place.path() + "/r-dead";
    ::mkdir(directory.c_str(), 0700);
    ledger::Machine other = ledger::this_machine();
    other.boot = "another";
    write_new_file(directory + "/ledger", ledger::header_line(other, "r-dead", "r-dead:mark") +
                                              ledger::process_line("owner", ::getpid(), 1));
    CHECK_FALSE(RunLedger::adopt("r-dead", {place.path()}));
}

TEST_CASE("a run's directory is private, holds its ledger and goes with the run") {
    const std::string run = "r-test-" + std::to_string(::getpid());
    RunLedger ledger = RunLedger::create(run);
    const std::string directory = ledger.directory();
    struct stat facts{};
    REQUIRE(::stat(directory.c_str(), &facts) == 0);
    CHECK((facts.st_mode & 07777U) == 0700);
    CHECK(directory.size() < 90);
    CHECK_THROWS_WITH(RunLedger::create(run), Catch::Contains("exists already"));

    // Another process of the run adds to the same ledger, and has the same mark.
    RunLedger other = RunLedger::open(directory, run);
    other.record_process("controller", ::getpid());
    CHECK(other.environment_mark() == ledger.environment_mark());
    const auto content = ledger::read(directory);
    REQUIRE(content);
    REQUIRE(content->processes.size() == 2);
    CHECK(content->processes[1].role == "controller");

    for (const RunLeftover& leftover : find_leftovers()) CHECK(leftover.run != run);  // we live
    ledger.dissolve();
    CHECK(::access(directory.c_str(), F_OK) != 0);
}

TEST_CASE("a run's name that could leave its place is refused") {
    for (const char* const name : {"", "../x", "a/b", ".hidden", "a\tb"}) {
        CHECK_THROWS_WITH(RunLedger::create(name), Catch::Contains("cannot be the name of a run"));
    }
}

TEST_CASE("clean ends a dead run's processes and removes its files") {
    const ScratchDirectory place;
    Child child = sleeper();
    const std::string outside = place / "outside-file";
    write_new_file(outside, "x");
    struct stat facts{};
    REQUIRE(::stat(outside.c_str(), &facts) == 0);
    const std::string directory = dead_run(
        place.path(), ledger::process_line("node", child.pid(), *process_start_ticks(child.pid())) +
                          ledger::path_line(outside, facts.st_dev, facts.st_ino));
    write_new_file(directory + "/socket", "");

    const auto found = find_leftovers({place.path()});
    REQUIRE(found.size() == 1);
    CHECK(found[0].run == "r-dead");
    CHECK(found[0].processes == std::vector<LedgerProcess>{{"node", child.pid()}});
    CHECK(found[0].paths == std::vector<std::string>{outside});

    const CleanReport report = clean({place.path()});
    CHECK(report.processes_ended == 1);
    CHECK(report.paths_removed == 2);
    CHECK(report.problems.empty());
    CHECK(ended(child));
    CHECK(::access(outside.c_str(), F_OK) != 0);
    CHECK(::access(directory.c_str(), F_OK) != 0);
    CHECK(clean({place.path()}).nothing_to_do());
}

TEST_CASE("clean never touches a stranger that has got a recorded pid") {
    const ScratchDirectory place;
    Child stranger = sleeper();
    dead_run(place.path(), ledger::process_line("node", stranger.pid(),
                                                *process_start_ticks(stranger.pid()) + 1));
    const CleanReport report = clean({place.path()});
    CHECK(report.cleaned.size() == 1);
    CHECK(report.processes_ended == 0);
    CHECK_FALSE(ended(stranger));
}

TEST_CASE("clean never removes a file that has taken a recorded one's name") {
    const ScratchDirectory place;
    const std::string path = place / "file";
    write_new_file(path, "a stranger's");
    struct stat facts{};
    REQUIRE(::stat(path.c_str(), &facts) == 0);
    dead_run(place.path(), ledger::path_line(path, facts.st_dev, facts.st_ino + 1));
    CHECK(clean({place.path()}).problems.empty());
    CHECK(read_file(path) == "a stranger's");
}

TEST_CASE("clean finds a process that died before it could be written down, by its mark") {
    const ScratchDirectory place;
    Child marked = sleeper({"PLEAT_MARK=r-dead:mark"});
    Child other_run = sleeper({"PLEAT_MARK=r-dead:mark2"});
    dead_run(place.path(), "");
    CHECK(clean({place.path()}).processes_ended == 1);
    CHECK(ended(marked));
    CHECK_FALSE(ended(other_run));
}

TEST_CASE("clean leaves live runs, other boots' processes and what is not pleat's alone") {
    const ScratchDirectory place;
    Child child = sleeper();
    const std::string line =
        ledger::process_line("node", child.pid(), *process_start_ticks(child.pid()));
    const std::string mine = place / "r-live";
    std::filesystem::create_directory(mine);
    const RunLedger live = RunLedger::open(mine, "r-live");
    const std::string foreign = place / "somebody";
    std::filesystem::create_directory(foreign);
    write_new_file(foreign + "/ledger", "not one of ours\n" + line);
    CHECK(clean({place.path()}).nothing_to_do());

    // Of another boot only the files can be left.
    ledger::Machine machine = ledger::this_machine();
    machine.boot = "another";
    const std::string old = place / "r-old";
    std::filesystem::create_directory(old);
    write_new_file(old + "/ledger", ledger::header_line(machine, "r-old", "r-old:m") + line);
    const CleanReport report = clean({place.path()});
    REQUIRE(report.cleaned.size() == 1);
    CHECK(report.cleaned[0].run == "r-old");
    CHECK_FALSE(ended(child));
    CHECK(std::filesystem::exists(mine));
    CHECK(std::filesystem::exists(foreign));
}

TEST_CASE("a directory whose maker died while making it is removed") {
    const ScratchDirectory place;
    const std::string dead = place / ledger::draft_name(::getpid(), 1, "r-x");
    const std::string alive =
        place / ledger::draft_name(::getpid(), *process_start_ticks(::getpid()), "r-y");
    std::filesystem::create_directory(dead);
    std::filesystem::create_directory(alive);
    CHECK(clean({place.path()}).cleaned.size() == 1);
    CHECK_FALSE(std::filesystem::exists(dead));
    CHECK(std::filesystem::exists(alive));
}

TEST_CASE("a spoilt ledger never names what it did not record") {
    const ScratchDirectory place;
    Child child = sleeper();
    const std::string good =
        ledger::header_line(ledger::this_machine(), "r-dead", "r-dead:mark") +
        ledger::process_line("node", child.pid(), *process_start_ticks(child.pid())) +
        ledger::path_line("/a\tb\n%", 1, 2);
    const auto whole = [&](const std::string& text) {
        write_new_file(place / "ledger", text);
        return ledger::read(place.path());
    };
    REQUIRE(whole(good));
    CHECK(whole(good)->paths.at(0).path == "/a\tb\n%");
    std::mt19937_64 random{1};
    for (std::size_t cut = 0; cut < good.size(); ++cut) {
        const auto content = whole(good.substr(0, cut));
        if (content) CHECK(content->processes.size() + content->paths.size() < 2);
    }
    for (int i = 0; i < 500; ++i) {
        std::string text = good;
        text[random() % text.size()] = static_cast<char>(random());
        const auto content = whole(text);
        if (!content) continue;
        for (const ledger::Process& process : content->processes) CHECK(process.pid > 1);
        for (const ledger::Path& path : content->paths) CHECK(path.path.starts_with('/'));
    }
}

}  // namespace pleat
