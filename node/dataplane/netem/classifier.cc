#include "node/dataplane/netem/classifier.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>
#include <utility>

#include <arpa/inet.h>
#include <bpf/bpf.h>

#include "base/error.hh"
#include "node/dataplane/kernel/bpf_object.hh"
#include "node/dataplane/kernel/bpffs.hh"
#include "node/dataplane/kernel/spared_ports.hh"

// The program's bytes (bpf/CMakeLists.txt).
extern "C" {
extern const char pleat_bpf_netem_begin[];  // NOLINT: of the linker
extern const char pleat_bpf_netem_end[];    // NOLINT
}

namespace pleat {

namespace {

// Of programs and maps, here and where they are pinned.
constexpr const char* kEgress = "netem_egress";
constexpr const char* kCut = "netem_cut";
constexpr const char* kSources = "sources";
constexpr const char* kControl = "control";
constexpr const char* kTotals = "totals";
constexpr const char* kEvents = "events";

std::string rows_pin(std::uint16_t place) {
    return "rows-" + std::to_string(place);
}

Failure failure(const std::string& what, int error) {
    return Failure{"cannot " + what + ": " + std::system_category().message(error)};
}

FileDescriptor new_rows(std::uint32_t size) {
    bpf_map_create_opts options{};
    options.sz = sizeof options;
    options.map_flags = BPF_F_MMAPABLE;
    FileDescriptor map{bpf_map_create(BPF_MAP_TYPE_ARRAY, "netem_rows", sizeof(std::uint32_t),
                                      sizeof(netem_row), size, &options)};
    if (!map.open()) throw failure("make a BPF map", errno);
    return map;
}

}  // namespace

Classifier::Classifier(const AddressPlan& addresses, std::size_t hosts, bool pass_unknown,
                       Duration idle, bool fake_time, const std::optional<BareMetal>& bare_metal)
    : hosts_{hosts} {
    BpfObject object{"the netem plane", pleat_bpf_netem_begin, pleat_bpf_netem_end};
    const auto size = static_cast<std::uint32_t>(std::max<std::size_t>(hosts, 1));
    object.set_entries("destinations", std::uint64_t{2} * size);  // two addresses each
    // The pattern of every source's map. (libbpf 1.1 can't change the program's own one.)
    const FileDescriptor pattern = new_rows(size);
    object.set_inner_map("sources", pattern.value());
    const std::vector<std::uint16_t> spared =
        bare_metal ? bare_metal->spared_ports : std::vector<std::uint16_t>{};
    object.set_entries("spared_ports", std::max<std::size_t>(spared.size(), 1));
    object.set_constants(
        netem_constants{.fake_time = fake_time ? 1U : 0U, .attached = bare_metal ? 1U : 0U});
    object.load();
    egress_ = object.program(kEgress);
    cut_ = object.program(kCut);
    sources_ = object.map(kSources);
    const FileDescriptor destinations = object.map("destinations");
    spare_ports(object.map("spared_ports"), spared);
    control_map_ = object.map(kControl);
    totals_map_ = object.map(kTotals);
    events_map_ = object.map(kEvents);
    open_maps();
    control().idle_ns = static_cast<std::uint64_t>(idle.count());
    control().outside = NETEM_NO_DESTINATION;
    control().pass_unknown = pass_unknown ? 1 : 0;
    control().run_mask =
        static_cast<std::uint32_t>(~std::uint64_t{0} << (32 - addresses.prefix_length));
    control().run_network = addresses.base & control().run_mask;
    for (std::uint32_t host = 0; host < hosts; ++host) {
        const std::uint32_t v4 = htonl(addresses.ipv4(HostId{host}));
        std::array<std::uint8_t, 16> key{};
        key[10] = key[11] = 0xff;
        std::memcpy(key.data() + 12, &v4, sizeof v4);
        for (const auto& address : {key, addresses.ipv6(HostId{host})}) {
            if (bpf_map_update_elem(destinations.value(), address.data(), &host, BPF_ANY) < 0) {
                throw failure("tell the BPF classifier an address", errno);
            }
        }
    }
}

Classifier::Classifier(std::size_t hosts, std::string pins)
    : hosts_{hosts},
      pins_{std::move(pins)},
      egress_{pinned(pins_, kEgress)},
      cut_{pinned(pins_, kCut)},
      sources_{pinned(pins_, kSources)},
      control_map_{pinned(pins_, kControl)},
      totals_map_{pinned(pins_, kTotals)},
      events_map_{pinned(pins_, kEvents)} {
    open_maps();
}

Classifier::~Classifier() = default;

void Classifier::open_maps() {
    control_ = MappedArray<netem_control>{control_map_.value(), kControl};
    totals_ = MappedArray<netem_totals>{totals_map_.value(), kTotals};
    events_.emplace(events_map_.value());
}

void Classifier::pin_in(std::string directory) {
    pins_ = std::move(directory);
    pin(egress_.value(), pins_, kEgress);
    pin(cut_.value(), pins_, kCut);
    pin(sources_.value(), pins_, kSources);
    pin(control_map_.value(), pins_, kControl);
    pin(totals_map_.value(), pins_, kTotals);
    pin(events_map_.value(), pins_, kEvents);
}

std::unique_ptr<Classifier::Source> Classifier::add_source(std::uint16_t place) {
    auto source = std::make_unique<Source>();
    source->place = place;
    const std::size_t size = std::max<std::size_t>(hosts_, 1);
    source->map = new_rows(static_cast<std::uint32_t>(size));
    source->rows = MappedArray<netem_row>{source->map.value(), "netem_rows"};
    const std::uint32_t key = place;
    const int descriptor = source->map.value();
    if (bpf_map_update_elem(sources_.value(), &key, &descriptor, BPF_ANY) < 0) {
        throw failure("tell the BPF classifier an interface", errno);
    }
    if (!pins_.empty()) pin(descriptor, pins_, rows_pin(place));
    return source;
}

std::unique_ptr<Classifier::Source> Classifier::pinned_source(std::uint16_t place) const {
    auto source = std::make_unique<Source>();
    source->place = place;
    source->map = pinned(pins_, rows_pin(place));
    source->rows = MappedArray<netem_row>{source->map.value(), "netem_rows"};
    if (source->rows.size() != std::max<std::size_t>(hosts_, 1)) {
        throw Failure{"what the netem plane has pinned is of another number of hosts"};
    }
    return source;
}

void Classifier::remove_source(const Source& source) {
    const std::uint32_t key = source.place;
    static_cast<void>(bpf_map_delete_elem(sources_.value(), &key));
    if (!pins_.empty()) unpin(pins_, rows_pin(source.place));
}

void Classifier::set_outside(std::uint32_t destination) {
    control().outside = destination;
}

}  // namespace pleat
