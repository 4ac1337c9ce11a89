#include <catch2/catch.hpp>

#include "model/plane_choice.hh"

using Catch::Matchers::Contains;

namespace pleat {

namespace {

using Answer = std::variant<PlaneChoice, PlaneRefusal>;

// A machine that lacks these; it counts the questions.
struct PretendMachine {
    std::string edt;
    std::string netem;
    std::string tun;
    std::vector<PlaneKind> asked;

    Answer choose(const std::vector<PlaneWish>& wishes, std::optional<PlaneKind> forced = {}) {
        return choose_plane(wishes, forced, [this](PlaneKind plane) {
            asked.push_back(plane);
            return plane == PlaneKind::edt ? edt : plane == PlaneKind::netem ? netem : tun;
        });
    }
};

const PlaneWish machines_wish{PlaneFeature::tunnel, "a way to machine m2"};

std::string refusal(const Answer& answer) {
    const auto* const refused = std::get_if<PlaneRefusal>(&answer);
    return refused == nullptr ? "(none)" : refused->message;
}

}  // namespace

TEST_CASE("the first plane that works is chosen, and no further one is asked") {
    PretendMachine all;
    CHECK(all.choose({}) == Answer{PlaneChoice{PlaneKind::edt, "edt works"}});
    CHECK(all.asked == std::vector{PlaneKind::edt});

    PretendMachine without_fq{.edt = "no fq", .netem = {}, .tun = {}, .asked = {}};
    CHECK(without_fq.choose({}) == Answer{PlaneChoice{PlaneKind::netem, "edt: no fq"}});
    CHECK(without_fq.asked == std::vector{PlaneKind::edt, PlaneKind::netem});

    PretendMachine bare{.edt = "no fq", .netem = "no HTB", .tun = {}, .asked = {}};
    CHECK(bare.choose({}) == Answer{PlaneChoice{PlaneKind::tun, "edt: no fq; netem: no HTB"}});
}

TEST_CASE("a machine that can have no plane is told what each lacks") {
    PretendMachine nothing{
        .edt = "no fq", .netem = "no HTB", .tun = "no /dev/net/tun", .asked = {}};
    const Answer answer = nothing.choose({});
    CHECK_FALSE(std::get<PlaneRefusal>(answer).for_wishes);
    CHECK(refusal(answer) ==
          "no data plane can work: edt: no fq; netem: no HTB; tun: no /dev/net/tun (see 'pleat "
          "doctor')");
}

TEST_CASE("a forced plane is the only one that is asked, and says what it lacks") {
    PretendMachine machine{.edt = "no fq", .netem = {}, .tun = {}, .asked = {}};
    CHECK(machine.choose({}, PlaneKind::netem) == Answer{PlaneChoice{PlaneKind::netem, "forced"}});
    CHECK(machine.asked == std::vector{PlaneKind::netem});
    const Answer refused = machine.choose({}, PlaneKind::edt);
    CHECK(refusal(refused) ==
          "the data plane edt can't work on this machine: no fq (see 'pleat doctor')");
    CHECK_FALSE(std::get<PlaneRefusal>(refused).for_wishes);
}

TEST_CASE("a plane that can't do what is asked for is passed over, or refused when forced") {
    PretendMachine machine;
    CHECK(machine.choose({machines_wish}) ==
          Answer{PlaneChoice{PlaneKind::tun,
                             "edt: can't do a way to machine m2; netem: can't do a "
                             "way to machine m2"}});
    CHECK(machine.asked == std::vector{PlaneKind::tun});

    const Answer forced = machine.choose({machines_wish}, PlaneKind::edt);
    CHECK(std::get<PlaneRefusal>(forced).for_wishes);
    CHECK(refusal(forced) == "a way to machine m2 can't be had with the data plane edt (tun can)");

    PretendMachine bare{.edt = {}, .netem = {}, .tun = "no /dev/net/tun", .asked = {}};
    const Answer unable = bare.choose({machines_wish});
    CHECK_FALSE(std::get<PlaneRefusal>(unable).for_wishes);
    CHECK_THAT(refusal(unable), Contains("can't do a way to machine m2; tun: no /dev/net/tun"));
}

TEST_CASE("a machine's own interface is for planes of the kernel, never for others") {
    const PlaneWish attach{PlaneFeature::machine_interface, "attach: machine:m1"};
    PretendMachine machine;
    CHECK(machine.choose({attach}) == Answer{PlaneChoice{PlaneKind::edt, "edt works"}});
    CHECK(refusal(machine.choose({attach}, PlaneKind::tun)) ==
          "attach: machine:m1 can't be had with the data plane tun (edt or netem can)");
    CHECK_THAT(refusal(machine.choose({attach}, PlaneKind::recording)),
               Contains("can't be had with the data plane recording"));
    PretendMachine old{.edt = "no fq", .netem = "no HTB", .tun = {}, .asked = {}};
    CHECK_THAT(refusal(old.choose({attach})), Contains("no fq") && Contains("no HTB"));
}

TEST_CASE("planes have the names that users give") {
    for (const PlaneKind plane : kPlaneKinds) CHECK(plane_named(name_of(plane)) == plane);
    CHECK(plane_named("recording") == PlaneKind::recording);
    CHECK_FALSE(plane_named("magic"));
    CHECK_FALSE(plane_named(""));
}

}  // namespace pleat
