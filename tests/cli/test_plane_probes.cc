#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>

#include "cli/plane_probes.hh"
#include "tests/cli/world.hh"

using namespace std::chrono_literals;

namespace pleat {

TEST_CASE("what the node says of its planes is read, and nothing else") {
    const auto probes = parse_plane_probes(
        "edt\tlacks\tno sch_fq: modprobe\nnetem\tworks\nmagic\tworks\nnoise\ntun\tmaybe\n"
        "tun\tlacks\t\n\ntun\tworks\nmachines\tlacks\tno VXLAN");
    CHECK(probes.missing_for_machines == "no VXLAN");
    CHECK_FALSE(parse_plane_probes("tun\tworks").missing_for_machines);
    CHECK(probes.planes == std::vector<PlaneProbe>{{PlaneKind::edt, "no sch_fq: modprobe"},
                                                   {PlaneKind::netem, ""},
                                                   {PlaneKind::tun, ""}});
    const auto choice = choice_among(probes.planes);
    CHECK(std::get<PlaneChoice>(choice).plane == PlaneKind::netem);
    CHECK(std::get<PlaneChoice>(choice).reason == "edt: no sch_fq: modprobe");
    CHECK(std::holds_alternative<PlaneRefusal>(choice_among({})));
}

TEST_CASE("a node that can't probe says why; one that hangs is not waited for") {
    const testing::TemporaryDirectory directory;
    const auto program = [&directory](const std::string& name, const std::string& script) {
        const std::filesystem::path path = directory.path() / name;
        std::ofstream{path} << "#!/bin/sh\n" << script << "\n";
        std::filesystem::permissions(path, std::filesystem::perms::owner_all);
        return path.string();
    };
    const auto fine = probe_planes(program("fine", "printf 'tun\\tworks\\n'"), 10s);
    REQUIRE(fine);
    CHECK(fine->planes == std::vector<PlaneProbe>{{PlaneKind::tun, ""}});
    const auto broken = probe_planes(program("broken", "echo no namespaces >&2; exit 8"), 10s);
    REQUIRE_FALSE(broken);
    CHECK(broken.error().message == "no namespaces");
    const auto slow = probe_planes(program("slow", "exec sleep 1000"), 100ms);
    REQUIRE_FALSE(slow);
    CHECK(slow.error().message == "its probes took too long");
    CHECK_FALSE(probe_planes("/no/such/program", 1s));
}

}  // namespace pleat
