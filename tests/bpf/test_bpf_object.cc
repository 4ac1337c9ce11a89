// A BPF object on its way into the kernel, when the kernel does not want it.
#include <cerrno>

#include <catch2/catch.hpp>

#include "base/error.hh"
#include "node/dataplane/edt/edt_plane.hh"
#include "node/dataplane/kernel/bpf_object.hh"
#include "tests/bpf/edt_world.hh"
#include "tests/bpf/without_bpf.hh"

using namespace pleat;
using namespace pleat::testing;

extern "C" {
extern const char pleat_bpf_refused_begin[];
extern const char pleat_bpf_refused_end[];
}

TEST_CASE("a kernel without BPF, and one that does not permit it, are told apart in words") {
    for (const auto& [error, words] :
         {std::pair{ENOSYS, "this kernel is built without BPF (CONFIG_BPF_SYSCALL)"},
          std::pair{EPERM, "loading BPF programs is not permitted: it needs root"},
          std::pair{EINVAL, "knows no BPF programs of type sched_cls (CONFIG_NET_CLS_BPF)"},
          std::pair{E2BIG, "refuses even an empty BPF program: Argument list too long"}}) {
        INFO(words);
        const auto missing = without_bpf(error, missing_for_bpf);
        if (!missing) {
            WARN("SKIPPED: this kernel has no seccomp filters");
            return;
        }
        CHECK_THAT(*missing, Catch::Contains(words));
        // It is what the plane says, too.
        CHECK(without_bpf(error, missing_for_edt) == missing);
        CHECK_THAT(*without_bpf(error,
                                [] {
                                    static_cast<void>(EdtObject::load(
                                        EdtSetup{.sources = 1, .destinations = 1, .uplinks = 1}));
                                    return std::string{"loaded"};
                                }),
                   Catch::Contains("threw: ") && Catch::Contains(words));
    }
}

TEST_CASE("a program that the verifier refuses is named, with what the verifier says") {
    NEEDS_BPF();
    BpfObject object{"a test", pleat_bpf_refused_begin, pleat_bpf_refused_end};
    std::string said;
    try {
        object.load();
    } catch (const Failure& failure) {
        said = failure.what();
    }
    CHECK_THAT(said, Catch::Contains("refuses the BPF program 'reads_beyond'") &&
                         Catch::Contains("Its verifier says:\n"));
    // Words of the kernel's, of any version since 4.10.
    CHECK_THAT(said, Catch::Contains("R1") && Catch::Contains("pkt_end"));
    // Its end, not all of it.
    CHECK(std::count(said.begin(), said.end(), '\n') <= 13);
}

TEST_CASE("what is no BPF object at all is refused with libbpf's reason") {
    const std::string text(200, 'x');
    CHECK_THROWS_WITH((BpfObject{"a test", text.data(), text.data() + text.size()}),
                      Catch::Contains("reading the programs of a test"));
}
