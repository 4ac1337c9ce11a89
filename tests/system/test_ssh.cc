// Machines that are added by ssh. A program `ssh` of the test's own runs the command in the
// namespace of a machine, in a home of its own. As root.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "base/files.hh"
#include "tests/system/cluster_world.hh"
#include "tests/system/processes.hh"

using namespace pleat;
using namespace pleat::system_test;
namespace fs = std::filesystem;
using nlohmann::json;

namespace {

// The service manager of the machine that the test runs on is hidden by the workplace's /run.
class Neighbour {
  public:
    explicit Neighbour(Cluster& cluster) : cluster_{cluster} {
        fs::create_directory(home());
        fs::create_directory(cluster.place.path("programs"));
        fs::create_directory(cluster.place.path("operator"));
        ssh(fmt::format(R"sh(while [ "$1" != -- ]; do shift; done
[ "$2" = root@m2 ] || {{ echo "ssh: connect to host $2: No route to host" >&2; exit 255; }}
echo "Welcome to m2"
HOME={0} exec ip netns exec n2 sh -c "$3"
)sh",
                        home()));
    }

    void ssh(const std::string& script) const {
        const std::string file = cluster_.place.path("programs/ssh");
        write_new_file(file, "#!/bin/sh\n" + script);
        fs::permissions(file, fs::perms::owner_all);
    }

    std::string home() const { return cluster_.place.path("m2-home"); }

    Ended machines(std::vector<std::string> words) const {
        words.insert(words.begin(), "machines");
        words.insert(words.end(), {"--controller", cluster_.endpoint()});
        Command command = cluster_.place.pleat(std::move(words));
        command.environment.push_back("PATH=" + cluster_.place.path("programs") +
                                      ":/usr/sbin:/usr/bin:/sbin:/bin");
        command.environment.push_back("XDG_CONFIG_HOME=" + cluster_.place.path("operator"));
        return run_program(std::move(command), 60s);
    }

    bool has_node() const {
        return std::ranges::any_of(processes_beneath(::getpid()), [this](const Process& process) {
            return process.command.starts_with(home());
        });
    }

  private:
    Cluster& cluster_;
};

}  // namespace

TEST_CASE("a machine is added, looked at and removed by ssh, and is then as it was") {
    if (!can_make_machines()) return;
    Cluster cluster{0};
    const Neighbour neighbour{cluster};
    const Ended added =
        neighbour.machines({"add", "--ssh", "root@m2", "--name", "m2", "--hosts", "7"});
    INFO(added.err);
    REQUIRE(added.code == 0);
    CHECK(added.out == "m2\n");
    CHECK(has(added.err, neighbour.home() + "/.local/lib/pleat/machine"));
    const json listed = document(neighbour.machines({"ls", "--json"}).out).at("machines");
    REQUIRE(listed.size() == 1);
    CHECK(listed[0].at("connected") == true);
    CHECK(neighbour.has_node());
    // Its round trip is known from the beginning.
    const auto measured = [&neighbour] {
        const json all = document(neighbour.machines({"ls", "--json"}).out).at("machines");
        return all[0].at("round_trip_us").is_number();
    };
    CHECK(eventually(500ms, measured));

    const Ended again = neighbour.machines({"add", "--ssh", "root@m2", "--name", "m3"});
    CHECK(again.code == 1);
    CHECK(has(again.err, "is a machine already: m2"));

    // A node to which nothing happens has nothing to say.
    write_new_file(neighbour.home() + "/.local/lib/pleat/machine/node.log", "a line\n");
    const Ended log = neighbour.machines({"logs", "m2"});
    CHECK(log.code == 0);
    CHECK(log.out == "a line\n");  // and no greeting of that machine's
    CHECK(neighbour.machines({"logs", "m9"}).code == 6);

    const Ended wrong = neighbour.machines({"rm", "m9", "--ssh=root@m2"});
    CHECK(wrong.code == 6);
    CHECK(neighbour.has_node());

    const std::string mark_file = neighbour.home() + "/.local/lib/pleat/machine/mark";
    const std::string mark = read_file(mark_file).value_or("");
    std::string foreign = mark;
    foreign.replace(foreign.find("ipc://"), 6, "ipc:///other");
    write_new_file(mark_file, foreign);
    const Ended of_another = neighbour.machines({"rm", "m2", "--ssh"});
    CHECK(of_another.code == 6);
    CHECK(has(of_another.err, "was added to the controller at ipc:///other"));
    CHECK(neighbour.has_node());
    write_new_file(mark_file, mark);

    const Ended removed = neighbour.machines({"rm", "m2", "--ssh"});
    INFO(removed.err);
    CHECK(removed.code == 0);
    CHECK_FALSE(neighbour.has_node());
    CHECK(fs::is_empty(neighbour.home()));
    CHECK(document(neighbour.machines({"ls", "--json"}).out).at("machines").empty());
}

TEST_CASE("hosts run on a machine that was added by ssh") {
    if (!can_make_machines()) return;
    Cluster cluster{0};
    const Neighbour neighbour{cluster};
    const Ended added = neighbour.machines({"add", "--ssh", "root@m2", "--name", "m2"});
    INFO(added.err);
    REQUIRE(added.code == 0);
    const std::string file = cluster.place.write("one.yaml", R"sh(
pleat: 1
name: one
hosts:
  a: {run: "ping -c 1 b", main: true}
  b: {}
links: [a -- b: 1ms 10Mbps]
)sh");
    const Ended ran = cluster.pleat({"run", file, "--json"});
    INFO(ran.err);
    CHECK(ran.code == 0);
    CHECK(neighbour.machines({"rm", "m2", "--ssh"}).code == 0);
}

TEST_CASE("what goes wrong on the way leaves nothing there") {
    if (!can_make_machines()) return;
    Cluster cluster{0};
    const Neighbour neighbour{cluster};
    const auto refused = [&](const std::vector<std::string>& words, int code,
                             const std::string& wanted) {
        const Ended ended = neighbour.machines(words);
        INFO(ended.err);
        CHECK(ended.code == code);
        CHECK(has(ended.err, wanted));
        CHECK(fs::is_empty(neighbour.home()));
    };
    refused({"add", "--ssh", "root@nowhere"}, 1, "ssh does not reach root@nowhere");
    refused({"add", "--ssh=-oProxyCommand=x"}, 2, "no destination");
    refused({"add", "--ssh", "root@m2", "--name", "a/b"}, 2, "can't be a machine's name");
    refused({"add"}, 2, "NAME");
    refused({"rm", "m2", "--ssh"}, 6, "give --ssh=USER@HOST");

    // The connection breaks while programs are copied: no script works from then on but removal.
    const std::string real = read_file(cluster.place.path("programs/ssh")).value_or("");
    neighbour.ssh(
        real.substr(real.find('\n') + 1)
            .insert(0, "case \"$*\" in *'cat > '*) echo 'No space left' >&2; exit 1;; esac\n"));
    refused({"add", "--ssh", "root@m2", "--name", "m2"}, 1, "No space left");
    neighbour.ssh("echo 'Permission denied (publickey).' >&2; exit 255\n");
    refused({"add", "--ssh", "root@m2", "--name", "m2"}, 1, "Permission denied");
    CHECK(document(neighbour.machines({"ls", "--json"}).out).at("machines").empty());
}
