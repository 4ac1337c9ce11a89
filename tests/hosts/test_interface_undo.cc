#include <catch2/catch.hpp>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <unistd.h>

#include "base/error.hh"
#include "base/files.hh"
#include "base/interface_undo.hh"
#include "base/ledger_file.hh"
#include "base/run_ledger.hh"
#include "tests/hosts/scratch_directory.hh"

namespace pleat {

namespace {

// A request that the kernel refuses to whoever sends it: of an interface that is not there.
std::string nonsense() {
    struct {
        nlmsghdr header;
        tcmsg about;
    } request{};

    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = RTM_DELQDISC;
    request.about.tcm_ifindex = 0x7ffffff0;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes of a message
    return {reinterpret_cast<const char*>(&request), sizeof request};
}

InterfaceUndo of_loopback() {
    return {.interface = "lo",
            .index = ::if_nametoindex("lo"),
            .network_namespace = this_network_namespace(),
            .ours = {nonsense()},
            .then = {std::string{"\0\x7f\xff", 3}, nonsense()}};
}

std::string dead_run(const std::string& place) {
    std::string directory = place + "/r-dead";
    make_private_directory(directory);
    write_new_file(directory + "/ledger",
                   ledger::header_line(ledger::this_machine(), "r-dead", "r-dead:mark") +
                       ledger::process_line("owner", ::getpid(), 1));
    return directory;
}

}  // namespace

TEST_CASE("what an interface had is written and read") {
    const ScratchDirectory place;
    CHECK_FALSE(read_interface_undo(place.path()));
    CHECK_FALSE(undo_interface(place.path()));
    write_interface_undo(place.path(), of_loopback());
    CHECK(read_interface_undo(place.path()) == of_loopback());
    for (const char* const spoilt :
         {"", "pleat-interface-2 lo 1 1\n", "pleat-interface-1 lo x 1\n",
          "pleat-interface-1 lo 1 1\nours 0\n", "pleat-interface-1 lo 1 1\nours zz\n"}) {
        write_new_file(place / "interface", spoilt);
        INFO(spoilt);
        CHECK_THROWS_WITH(read_interface_undo(place.path()), Catch::Contains("is damaged"));
        CHECK_THROWS_AS(undo_interface(place.path()), Failure);
    }
}

TEST_CASE("what is not there any more is not undone") {
    const ScratchDirectory place;
    write_interface_undo(place.path(), of_loopback());
    CHECK_FALSE(undo_interface(place.path()));  // `ours` is refused
    CHECK_FALSE(read_interface_undo(place.path()));
    InterfaceUndo other = of_loopback();
    other.index += 1000;
    write_interface_undo(place.path(), other);
    CHECK_FALSE(undo_interface(place.path()));
}

TEST_CASE("clean keeps a run, and says so, when it can't know what an interface had") {
    const ScratchDirectory place;
    const std::string directory = dead_run(place.path());
    write_new_file(directory + "/interface", "pleat-interface-1 lo");
    for (int i = 0; i < 2; ++i) {
        const CleanReport report = clean({place.path()});
        CHECK(report.cleaned.empty());
        REQUIRE(report.problems.size() == 1);
        CHECK(report.problems[0].find("is damaged") != std::string::npos);
    }
    CHECK(::unlink((directory + "/interface").c_str()) == 0);
    CHECK(clean({place.path()}).cleaned.size() == 1);
}

TEST_CASE("clean leaves the interface of another network namespace, and its run, alone") {
    const ScratchDirectory place;
    const std::string directory = dead_run(place.path());
    InterfaceUndo far = of_loopback();
    far.network_namespace += 1;
    write_interface_undo(directory, far);
    CHECK_THROWS_AS(undo_interface(directory), Failure);
    CHECK(clean({place.path()}).nothing_to_do());
    write_interface_undo(directory, of_loopback());
    const auto found = find_leftovers({place.path()});
    REQUIRE(found.size() == 1);
    CHECK(found[0].interface == "lo");
    const CleanReport report = clean({place.path()});
    CHECK(report.cleaned.size() == 1);
    CHECK(report.interfaces_restored == 0);
    CHECK(::access(directory.c_str(), F_OK) != 0);
}

}  // namespace pleat
