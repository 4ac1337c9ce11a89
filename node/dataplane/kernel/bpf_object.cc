#include "node/dataplane/kernel/bpf_object.hh"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include "base/error.hh"

namespace pleat {

namespace {

[[noreturn]] void fail(const std::string& attempt, int error) {
    throw Failure{attempt + ": " + std::strerror(error)};
}

// The end of what somebody has said: the reason, and what led to it.
std::string last_lines(std::string_view text) {
    constexpr int kLines = 12;
    while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
    std::size_t begin = text.size();
    for (int line = 0; line < kLines && begin > 0; ++line) {
        const std::size_t newline = text.rfind('\n', begin - 1);
        begin = newline == std::string_view::npos ? 0 : newline;
    }
    if (begin > 0) ++begin;
    return std::string{text.substr(std::min(begin, text.size()))};
}

thread_local std::string warnings;  // NOLINT: libbpf's printer knows no object

[[gnu::format(printf, 2, 0)]] int note(libbpf_print_level level, const char* format,
                                       va_list arguments) {
    if (level != LIBBPF_WARN) return 0;
    std::array<char, 1024> text{};
    const int size = std::vsnprintf(text.data(), text.size(), format, arguments);
    warnings += text.data();
    return size;
}

// Keeps what libbpf would print: it has no other way to say why.
class Listening {
  public:
    Listening() : before_{libbpf_set_print(note)} { warnings.clear(); }

    Listening(const Listening&) = delete;
    Listening& operator=(const Listening&) = delete;

    ~Listening() { libbpf_set_print(before_); }

  private:
    libbpf_print_fn_t before_;
};

FileDescriptor duplicate_of(int descriptor) {
    return FileDescriptor{check("duplicating a BPF descriptor", ::dup(descriptor))};
}

}  // namespace

std::string missing_for_bpf() {
    const std::array<bpf_insn, 2> returns_zero{
        {{.code = BPF_ALU64 | BPF_MOV | BPF_K,
          .dst_reg = BPF_REG_0,
          .src_reg = 0,
          .off = 0,
          .imm = 0},
         {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}}};
    const FileDescriptor probe{bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, nullptr, "GPL",
                                             returns_zero.data(), returns_zero.size(), nullptr)};
    if (probe.open()) return {};
    switch (errno) {
        case ENOSYS:
            return "this kernel is built without BPF (CONFIG_BPF_SYSCALL)";
        case EPERM:
            return "loading BPF programs is not permitted: it needs root, or CAP_BPF and "
                   "CAP_NET_ADMIN in the machine's own user namespace";
        case EINVAL:
            return "this kernel knows no BPF programs of type sched_cls (CONFIG_NET_CLS_BPF)";
        default:
            return std::string{"this kernel refuses even an empty BPF program: "} +
                   std::strerror(errno);
    }
}

void BpfObject::Close::operator()(bpf_object* object) const noexcept {
    bpf_object__close(object);
}

BpfObject::BpfObject(std::string owner, const void* begin, const void* end)
    : owner_{std::move(owner)} {
    const Listening listening;
    bpf_object_open_opts options{};
    options.sz = sizeof options;
    options.object_name = "pleat";
    const auto size =
        static_cast<std::size_t>(static_cast<const char*>(end) - static_cast<const char*>(begin));
    object_.reset(bpf_object__open_mem(begin, size, &options));
    if (!object_) {
        const int error = errno;
        fail("reading the programs of " + owner_ + " (" + last_lines(warnings) + ")", error);
    }
}

void BpfObject::set_entries(const char* map, std::uint64_t entries) {
    constexpr std::uint64_t kMost = 0x7fffffff;
    const std::string name = map;
    if (entries > kMost) {
        throw Failure{"the map '" + name + "' of " + owner_ + " would need " +
                      std::to_string(entries) + " entries; a BPF map holds at most " +
                      std::to_string(kMost)};
    }
    bpf_map* const found = bpf_object__find_map_by_name(object_.get(), map);
    PLEAT_ASSERT(found != nullptr);
    const int status = bpf_map__set_max_entries(found, static_cast<std::uint32_t>(entries));
    if (status < 0) fail("sizing the map '" + name + "' of " + owner_, -status);
}

void BpfObject::set_inner_map(const char* map, int pattern) {
    bpf_map* const found = bpf_object__find_map_by_name(object_.get(), map);
    PLEAT_ASSERT(found != nullptr);
    const int status = bpf_map__set_inner_map_fd(found, pattern);
    if (status < 0) {
        fail("setting the pattern of the map '" + std::string{map} + "' of " + owner_, -status);
    }
}

void BpfObject::set_constants(const void* constants, std::size_t size) {
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object_.get()) {
        if (std::string_view{bpf_map__name(map)}.find(".rodata") == std::string_view::npos) {
            continue;
        }
        const int status = bpf_map__set_initial_value(map, constants, size);
        if (status < 0) fail("setting the constants of " + owner_, -status);
        return;
    }
    PLEAT_ASSERT(false);
}

void BpfObject::leave_out(const char* program) {
    bpf_program* const found = bpf_object__find_program_by_name(object_.get(), program);
    PLEAT_ASSERT(found != nullptr);
    bpf_program__set_autoload(found, false);
}

void BpfObject::load(const std::string& for_what) {
    if (const std::string missing = missing_for_bpf(); !missing.empty()) throw Failure{missing};
    const Listening listening;
    std::vector<char> log(std::size_t{1} << 20);
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object_.get()) {
        bpf_program__set_log_buf(program, log.data(), log.size());
    }
    const int status = bpf_object__load(object_.get());
    if (status >= 0) return;
    const std::string said = last_lines({log.data(), ::strnlen(log.data(), log.size())});
    if (said.empty()) {
        // So older kernels (5.10) say that a map needs more memory than they can address.
        fail("loading the maps of " + owner_ + (for_what.empty() ? "" : " (" + for_what + ")"),
             status == -E2BIG ? ENOMEM : -status);
    }
    std::string refused;
    bpf_object__for_each_program(program, object_.get()) {
        if (!bpf_program__autoload(program) || bpf_program__fd(program) >= 0) continue;
        refused = bpf_program__name(program);
        break;
    }
    throw Failure{"the kernel refuses the BPF program '" + refused + "' (" +
                  std::strerror(-status) + "). Its verifier says:\n" + said};
}

FileDescriptor BpfObject::map(const char* name) const {
    return duplicate_of(bpf_object__find_map_fd_by_name(object_.get(), name));
}

FileDescriptor BpfObject::program(const char* name) const {
    const bpf_program* const found = bpf_object__find_program_by_name(object_.get(), name);
    PLEAT_ASSERT(found != nullptr);
    return duplicate_of(bpf_program__fd(found));
}

}  // namespace pleat
