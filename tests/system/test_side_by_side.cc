// Where and beside what a run works: two at once, no writable /run, no root.
#include <algorithm>
#include <csignal>
#include <filesystem>

#include <catch2/catch.hpp>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/error.hh"
#include "tests/system/greeter.hh"
#include "tests/system/processes.hh"
#include "tests/system/topologies.hh"
#include "tests/system/workplace.hh"

using namespace pleat;
using namespace pleat::system_test;
using nlohmann::json;

namespace fs = std::filesystem;

namespace {

constexpr uid_t kNobody = 65534;

// Mounted for as long as the object lives.
class Mount {
  public:
    Mount(const std::string& source, const std::string& target, const char* type,
          unsigned long flags, const char* data)
        : target_{target} {
        fs::create_directories(target);
        check("cannot mount " + target, ::mount(source.c_str(), target.c_str(), type, flags, data));
    }

    ~Mount() { ::umount2(target_.c_str(), MNT_DETACH); }

    Mount(const Mount&) = delete;
    Mount& operator=(const Mount&) = delete;

  private:
    std::string target_;
};

// `pleat` as nobody, in a mount namespace in which everybody may open /dev/net/tun.
Command as_nobody(const Workplace& place, const std::string& arguments) {
    const std::string script =
        "mount --bind " + place.path("dev/tun") +
        " /dev/net/tun && exec setpriv --reuid 65534 --regid 65534 --clear-groups "
        "--inh-caps=-all env -u XDG_RUNTIME_DIR HOME=" +
        place.path("home") + " TMPDIR=" + place.path("home") + " " + place.path("bin/pleat") + " " +
        arguments;
    Command command = place.command({"unshare", "--mount", "sh", "-c", script});
    command.directory = place.path("home");
    return command;
}

}  // namespace

TEST_CASE("two runs of the same file at once both work") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("small.yaml", kMeasurement);
    Program first{place.pleat({"run", "small.yaml", "--json"})};
    Program second{place.pleat({"run", "small.yaml", "--json"})};
    const Ended one = first.finish();
    const Ended other = second.finish();
    INFO(one.err << other.err);
    REQUIRE(one.code == 0);
    REQUIRE(other.code == 0);
    CHECK(document(one.out).at("run") != document(other.out).at("run"));
    CHECK(place.left_behind() == kNothing);
}

TEST_CASE("where /run can't be written a run uses the directory for temporary files") {
    if (!can_run_or_skips() || !is_root_or_skips("a read-only /run")) return;
    Workplace place;
    place.write("t.yaml", kThreeSeconds);
    const std::string script =
        "mount --bind /run /run && mount -o remount,bind,ro /run && exec env -u XDG_RUNTIME_DIR "
        "TMPDIR=" +
        place.directory() + " " + our_program("pleat") + " run t.yaml --set '500ms: quit'";
    Program run{place.command({"unshare", "--mount", "sh", "-c", script})};
    CHECK(eventually(10s, [&] { return fs::exists(place.path("pleat-0")); }));
    const Ended ended = run.finish();
    INFO(ended.err);
    CHECK(ended.code == 0);
    CHECK(place.left_behind() == kNothing);
}

TEST_CASE("an ordinary user runs the same file in a user namespace, and nothing is left") {
    if (!is_root_or_skips("becoming somebody else")) return;
    Workplace place;
    fs::permissions(place.directory(), fs::perms(0755));
    const Mount devices{"tmpfs", place.path("dev"), "tmpfs", 0, "mode=755"};
    const auto device = ::makedev(10, 200);
    check("cannot make a TUN device file",
          ::mknod(place.path("dev/tun").c_str(), S_IFCHR | 0666U, device));
    fs::permissions(place.path("dev/tun"), fs::perms(0666));
    // The programs may lie where nobody may look.
    const Mount programs{program_directory(), place.path("bin"), nullptr, MS_BIND, nullptr};
    fs::create_directory(place.path("home"));
    check("cannot give away a directory", ::chown(place.path("home").c_str(), kNobody, kNobody));
    place.write("home/small.yaml", kMeasurement);

    const Ended able = run_program(as_nobody(place, "doctor"));
    if (able.code != 0) {
        WARN("left out, since an ordinary user can't run hosts here: " << able.out << able.err);
        return;
    }
    const MachineState before = MachineState::now(place.directory());

    SECTION("a run to its end") {
        const Ended ended = run_program(as_nobody(place, "run small.yaml --json --out ../home/o"));
        INFO(ended.err);
        REQUIRE(ended.code == 0);
        const json result = document(ended.out);
        CHECK(result.at("data_plane") == "tun");
        CHECK(result.at("hosts").size() == 3);
        fs::remove_all(place.path("home/o"));
    }
    SECTION("a shell, and the machine's network in it") {
        const Greeter greeter;
        const Ended ended = run_program(
            as_nobody(place, "shell '10ms 10Mbps' --out ../home/o -- sh -c 'id -u; nc -w 5 " +
                                 std::string{"198.18.0.2 "} + greeter.port() + "'"));
        INFO(ended.err);
        CHECK(ended.code == 0);
        CHECK(ended.out == "0\nhello from outside\n");
        fs::remove_all(place.path("home/o"));
    }
    SECTION("a run that is killed, and `pleat clean`") {
        Program run{as_nobody(place, "run small.yaml --out ../home/o")};
        const auto keepers = [&] {
            const auto family = processes_beneath(run.pid());
            return std::ranges::count_if(
                       family, [](const Process& p) { return p.program == "pleat-keeper"; }) >= 3;
        };
        REQUIRE(eventually(10s, keepers));
        for (const Process& process : processes_beneath(run.pid())) {
            if (process.program != "pleat-keeper" && is_pleat(process)) {
                ::kill(process.pid, SIGKILL);
            }
        }
        run.signal(SIGKILL);
        static_cast<void>(run.finish(5s));
        const Ended cleaned = run_program(as_nobody(place, "clean"), 10s);
        INFO(cleaned.out << cleaned.err);
        CHECK(cleaned.code == 0);
        fs::remove_all(place.path("home/o"));
    }
    CHECK(left_behind(before, place.directory()) == kNothing);
}
