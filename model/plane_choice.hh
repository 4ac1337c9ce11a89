// Which data plane a run has: the best one that can do what the scenario asks for and that
// works on this machine, or the one that the user forces.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace pleat {

// `recording` moves no packet: for tests of everything around a plane. It is never chosen, only
// forced.
enum class PlaneKind : std::uint8_t { edt, netem, tun, recording };

// Those that emulate, best first.
constexpr std::array<PlaneKind, 3> kPlaneKinds{PlaneKind::edt, PlaneKind::netem, PlaneKind::tun};

std::string_view name_of(PlaneKind plane);
std::optional<PlaneKind> plane_named(std::string_view name);

// Whose packets the kernel moves.
bool is_of_kernel(PlaneKind plane);

// What only some planes can do: `tunnel` is a way to another machine that asks nothing of that one
// but a UDP socket, and that can be encrypted; `machine_interface` shapes the machine's own
// interface.
enum class PlaneFeature : std::uint8_t { tunnel, machine_interface };

bool can_do(PlaneKind plane, PlaneFeature feature);

// That a run asks for such a feature, and where.
struct PlaneWish {
    PlaneFeature feature = PlaneFeature::tunnel;
    std::string what;  // "encryption between machines"
};

struct PlaneChoice {
    PlaneKind plane = PlaneKind::tun;
    std::string reason;  // "edt works", "forced", "edt: no fq; netem: no HTB"

    friend bool operator==(const PlaneChoice&, const PlaneChoice&) = default;
};

// Why there is none.
struct PlaneRefusal {
    std::string message;
    bool for_wishes = false;  // else: what the machine lacks; the text names `pleat doctor`

    friend bool operator==(const PlaneRefusal&, const PlaneRefusal&) = default;
};

// `missing` says what the machine lacks for a plane (empty: it works) and is asked about
// those planes only whose answer matters, best first.
std::variant<PlaneChoice, PlaneRefusal> choose_plane(
    const std::vector<PlaneWish>& wishes, std::optional<PlaneKind> forced,
    const std::function<std::string(PlaneKind)>& missing);

}  // namespace pleat
