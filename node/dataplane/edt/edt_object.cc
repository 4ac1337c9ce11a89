#include "node/dataplane/edt/edt_object.hh"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/error.hh"
#include "model/draw.hh"
#include "node/dataplane/edt/jitter_table.hh"
#include "node/dataplane/kernel/bpf_object.hh"
#include "node/dataplane/kernel/bpffs.hh"
#include "node/dataplane/kernel/mapped_array.hh"
#include "node/dataplane/kernel/spared_ports.hh"

extern "C" const unsigned char pleat_bpf_edt_begin[];
extern "C" const unsigned char pleat_bpf_edt_end[];

namespace pleat {

namespace {

constexpr std::uint64_t kIdleNanoseconds = 100'000'000;

[[noreturn]] void fail_errno(const std::string& attempt, int error) {
    throw Failure{attempt + ": " + std::strerror(error)};
}

// The names of all maps that are kept, and of the programs; what is pinned has them, too.
constexpr std::array<const char*, 13> kMaps{
    "control", "paths",     "uplinks", "caps",       "early",      "counters", "totals",
    "states",  "calendars", "sources", "addresses4", "addresses6", "events"};
constexpr const char* kEgress = "edt_egress";
constexpr const char* kDropAll = "edt_drop_all";
constexpr const char* kTest = "edt_test_second";
// The programs keep it.
constexpr const char* kSparedPorts = "spared_ports";

enum MapPlace : std::size_t {
    control_map,
    paths_map,
    uplinks_map,
    caps_map,
    early_map,
    counters_map,
    totals_map,
    states_map,
    calendars_map,
    sources_map,
    addresses4_map,
    addresses6_map,
    events_map,
};

using MapDescriptors = std::array<FileDescriptor, kMaps.size()>;

bpf_map_info info_of(const FileDescriptor& map) {
    bpf_map_info info{};
    std::uint32_t size = sizeof info;
    if (bpf_obj_get_info_by_fd(map.value(), &info, &size) < 0) {
        fail_errno("asking the kernel about a BPF map", errno);
    }
    return info;
}

edt_constants constants_of(const EdtSetup& setup) {
    edt_constants constants{};
    constants.fake_clock = setup.fake_clock ? 1 : 0;
    constants.attached = setup.attached ? 1 : 0;
    if (::getrandom(&constants.copy_key, sizeof constants.copy_key, 0) < 0) {
        fail_errno("drawing a random number", errno);
    }
    for (const auto distribution :
         {JitterDistribution::normal, JitterDistribution::uniform, JitterDistribution::pareto}) {
        fill_jitter_table(distribution, constants.jitter[static_cast<std::size_t>(distribution)]);
    }
    return constants;
}

}  // namespace

struct EdtObject::Maps {
    explicit Maps(MapDescriptors opened)
        : descriptors{std::move(opened)},
          control{mapped<edt_control>(control_map)},
          paths{mapped<edt_path>(paths_map)},
          uplinks{mapped<edt_uplink>(uplinks_map)},
          caps{mapped<std::uint64_t>(caps_map)},
          early{mapped<std::uint64_t>(early_map)},
          counters{mapped<edt_counters>(counters_map)},
          totals{mapped<edt_totals>(totals_map)},
          events{descriptors[events_map].value()} {}

    template <typename T>
    MappedArray<T> mapped(MapPlace place) const {
        return MappedArray<T>{descriptors[place].value(), kMaps[place]};
    }

    MapDescriptors descriptors;
    MappedArray<edt_control> control;
    MappedArray<edt_path> paths;
    MappedArray<edt_uplink> uplinks;
    MappedArray<std::uint64_t> caps;
    MappedArray<std::uint64_t> early;
    MappedArray<edt_counters> counters;
    MappedArray<edt_totals> totals;
    EventRing events;
};

EdtObject::EdtObject() = default;
EdtObject::EdtObject(EdtObject&&) noexcept = default;
EdtObject& EdtObject::operator=(EdtObject&&) noexcept = default;
EdtObject::~EdtObject() = default;

EdtObject EdtObject::load(const EdtSetup& setup) {
    PLEAT_ASSERT(setup.sources > 0 && setup.destinations > 0 && setup.uplinks > 0);
    if (setup.sources > EDT_SOURCES_MAX) {
        throw Failure{"the edt plane takes at most " + std::to_string(EDT_SOURCES_MAX) +
                      " hosts a machine, not " + std::to_string(setup.sources)};
    }
    BpfObject object{"the edt plane", pleat_bpf_edt_begin, pleat_bpf_edt_end};
    const std::uint64_t paths = std::uint64_t{setup.sources} * setup.destinations;
    const auto room = [&object](MapPlace place, std::uint64_t entries) {
        object.set_entries(kMaps[place], entries);
    };
    room(paths_map, paths * EDT_SLOTS);
    room(uplinks_map, std::uint64_t{setup.uplinks} * EDT_SLOTS);
    for (const auto place : {caps_map, counters_map, states_map}) room(place, paths);
    room(totals_map, static_cast<std::uint64_t>(libbpf_num_possible_cpus()));
    room(calendars_map, setup.uplinks);
    room(sources_map, setup.sources);
    room(early_map, setup.destinations);
    for (const auto place : {addresses4_map, addresses6_map}) {
        room(place, std::uint64_t{setup.destinations} * 2);
    }
    object.set_entries(kSparedPorts, std::max<std::size_t>(setup.spared_ports.size(), 1));
    object.set_constants(constants_of(setup));
    if (!setup.test_program) object.leave_out(kTest);
    object.load(std::to_string(setup.sources) + " sources, " + std::to_string(setup.destinations) +
                " destinations, " + std::to_string(setup.uplinks) + " uplinks");

    EdtObject self;
    self.egress_ = object.program(kEgress);
    self.drop_all_ = object.program(kDropAll);
    if (setup.test_program) self.test_ = object.program(kTest);
    spare_ports(object.map(kSparedPorts), setup.spared_ports);
    MapDescriptors maps;
    for (std::size_t i = 0; i < kMaps.size(); ++i) maps[i] = object.map(kMaps[i]);
    self.maps_ = std::make_unique<Maps>(std::move(maps));
    self.sources_ = setup.sources;
    self.destinations_ = setup.destinations;
    self.uplinks_ = setup.uplinks;

    edt_control& control = self.control();
    std::fill(std::begin(control.begins_at_ns), std::end(control.begins_at_ns), EDT_NEVER);
    control.seed_key = draw_seed_key(setup.seed);
    control.idle_ns = kIdleNanoseconds;
    control.destinations = setup.destinations;
    control.paths = static_cast<std::uint32_t>(paths);
    control.uplinks = setup.uplinks;
    control.outside = EDT_NO_DESTINATION;
    return self;
}

EdtObject EdtObject::adopt(const std::string& directory) {
    EdtObject self;
    self.egress_ = pinned(directory, kEgress);
    self.drop_all_ = pinned(directory, kDropAll);
    MapDescriptors maps;
    for (std::size_t i = 0; i < kMaps.size(); ++i) maps[i] = pinned(directory, kMaps[i]);
    self.sources_ = info_of(maps[sources_map]).max_entries;
    self.maps_ = std::make_unique<Maps>(std::move(maps));
    const edt_control& control = self.control();
    self.destinations_ = control.destinations;
    self.uplinks_ = control.uplinks;
    const std::uint64_t paths = std::uint64_t{self.sources_} * self.destinations_;
    if (paths == 0 || self.uplinks_ == 0 || control.paths != paths ||
        self.maps_->counters.size() != paths || self.maps_->paths.size() != paths * EDT_SLOTS ||
        self.maps_->uplinks.size() != std::size_t{self.uplinks_} * EDT_SLOTS) {
        throw Failure{"the BPF maps in " + directory + " don't fit each other"};
    }
    return self;
}

void EdtObject::pin(const std::string& directory) const {
    pleat::pin(egress_.value(), directory, kEgress);
    pleat::pin(drop_all_.value(), directory, kDropAll);
    for (std::size_t i = 0; i < kMaps.size(); ++i) {
        pleat::pin(maps_->descriptors[i].value(), directory, kMaps[i]);
    }
}

void EdtObject::unpin(const std::string& directory) {
    pleat::unpin(directory, kEgress);
    pleat::unpin(directory, kDropAll);
    for (const char* name : kMaps) pleat::unpin(directory, name);
}

std::uint64_t EdtObject::memory_bytes() const {
    std::uint64_t sum = 0;
    for (const FileDescriptor& map : maps_->descriptors) {
        const bpf_map_info info = info_of(map);
        // The kernel rounds values up to 8 bytes; a ring's size is its max_entries; an entry
        // of a hash has about 48 bytes beside.
        constexpr std::uint64_t kPerHashEntry = 48;
        const std::uint64_t value = (std::uint64_t{info.value_size} + 7) / 8 * 8;
        if (info.type == BPF_MAP_TYPE_RINGBUF) {
            sum += info.max_entries;
        } else if (info.type == BPF_MAP_TYPE_HASH) {
            const std::uint64_t key = (std::uint64_t{info.key_size} + 7) / 8 * 8;
            sum += info.max_entries * (key + value + kPerHashEntry);
        } else {
            sum += info.max_entries * value;
        }
    }
    return sum;
}

std::span<edt_path> EdtObject::paths(unsigned slot) {
    PLEAT_ASSERT(slot < EDT_SLOTS);
    const std::span<edt_path> all = maps_->paths.all();
    const std::size_t count = all.size() / EDT_SLOTS;
    return all.subspan(slot * count, count);
}

std::span<edt_uplink> EdtObject::uplinks(unsigned slot) {
    PLEAT_ASSERT(slot < EDT_SLOTS);
    const std::span<edt_uplink> all = maps_->uplinks.all();
    return all.subspan(std::size_t{slot} * uplinks_, uplinks_);
}

std::span<std::uint64_t> EdtObject::caps() {
    return maps_->caps.all();
}

std::span<std::uint64_t> EdtObject::early() {
    return maps_->early.all();
}

std::span<const edt_counters> EdtObject::counters() const {
    return maps_->counters.all();
}

edt_control& EdtObject::control() {
    return maps_->control[0];
}

edt_totals EdtObject::totals() const {
    edt_totals sum{};
    for (const edt_totals& row : maps_->totals.all()) {
        sum.packets_in += row.packets_in;
        sum.packets_out += row.packets_out;
        sum.bytes_out += row.bytes_out;
        sum.queue_drops += row.queue_drops;
        sum.loss_drops += row.loss_drops;
        sum.unreachable_drops += row.unreachable_drops;
        sum.unknown_destination += row.unknown_destination;
        sum.malformed_drops += row.malformed_drops;
        sum.clone_failures += row.clone_failures;
        sum.event_losses += row.event_losses;
    }
    return sum;
}

void EdtObject::set_source(std::uint32_t place, HostId host) {
    PLEAT_ASSERT(place < sources_);
    // The lock, its first half, is not copied.
    const std::array<std::uint32_t, 2> value{0, host.value};
    if (bpf_map_update_elem(maps_->descriptors[sources_map].value(), &place, value.data(),
                            BPF_ANY) < 0) {
        fail_errno("telling the edt plane's program of a host", errno);
    }
}

namespace {

void add(const FileDescriptor& map, const void* key, HostId destination, std::uint32_t room) {
    if (bpf_map_update_elem(map.value(), key, &destination.value, BPF_ANY) == 0) return;
    if (errno == E2BIG) {
        throw Failure{"the edt plane's program has room for " + std::to_string(room) +
                      " addresses of a version, and they are all taken"};
    }
    fail_errno("adding an address to the edt plane's program", errno);
}

void remove(const FileDescriptor& map, const void* key) {
    if (bpf_map_delete_elem(map.value(), key) < 0 && errno != ENOENT) {
        fail_errno("removing an address from the edt plane's program", errno);
    }
}

}  // namespace

void EdtObject::add_address(std::uint32_t ipv4, HostId destination) {
    const std::uint32_t key = htonl(ipv4);
    add(maps_->descriptors[addresses4_map], &key, destination, destinations_ * 2);
}

void EdtObject::add_address(const std::array<std::uint8_t, 16>& ipv6, HostId destination) {
    add(maps_->descriptors[addresses6_map], ipv6.data(), destination, destinations_ * 2);
}

void EdtObject::remove_address(std::uint32_t ipv4) {
    const std::uint32_t key = htonl(ipv4);
    remove(maps_->descriptors[addresses4_map], &key);
}

void EdtObject::remove_address(const std::array<std::uint8_t, 16>& ipv6) {
    remove(maps_->descriptors[addresses6_map], ipv6.data());
}

EventRing& EdtObject::events() const {
    return maps_->events;
}

}  // namespace pleat
