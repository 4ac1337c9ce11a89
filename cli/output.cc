#include "cli/output.hh"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <utility>

#include <sys/ioctl.h>
#include <unistd.h>

#include "base/error.hh"

namespace pleat {
namespace {

constexpr std::size_t kStepWidth = 11;
constexpr std::size_t kTextWidth = 56;

bool continues_a_character(char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

[[noreturn]] void stdout_failed(int cause) {
    if (cause == EPIPE) throw OutputClosed{};
    throw Failure{"cannot write to standard output: " +
                  std::error_code{cause, std::generic_category()}.message()};
}

}  // namespace

bool wants_colour(bool terminal, const char* no_color, const char* term) {
    if (!terminal) return false;
    if (no_color != nullptr && *no_color != '\0') return false;
    return term == nullptr || std::string_view{term} != "dumb";
}

OutputStyle style_of_stderr() {
    OutputStyle style;
    style.terminal = ::isatty(STDERR_FILENO) == 1;
    // NOLINTBEGIN(concurrency-mt-unsafe): called once, before any thread
    style.colour = wants_colour(style.terminal, std::getenv("NO_COLOR"), std::getenv("TERM"));
    // NOLINTEND(concurrency-mt-unsafe)
    winsize size{};
    if (style.terminal && ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        style.width = size.ws_col;
    }
    return style;
}

std::size_t columns(std::string_view text) {
    std::size_t count = 0;
    for (const char c : text) {
        if (!continues_a_character(c)) ++count;
    }
    return count;
}

std::string_view clipped(std::string_view text, std::size_t width) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (continues_a_character(text[i])) continue;
        if (count == width) return text.substr(0, i);
        ++count;
    }
    return text;
}

std::string padded(std::string_view text, std::size_t width) {
    std::string result{text};
    const std::size_t used = columns(text);
    if (used < width) result.append(width - used, ' ');
    return result;
}

Output::Output(OutputStyle style, Sink data, Sink notes)
    : style_{style}, data_{std::move(data)}, notes_{std::move(notes)} {}

Output::~Output() {
    progress({});
}

void Output::data(std::string_view text) {
    progress({});
    data_(text);
}

void Output::note(std::string_view line) {
    if (style_.quiet) return;
    to_stderr(std::string{line} + "\n");
}

void Output::warning(std::string_view line) {
    to_stderr(yellow("pleat: warning:") + " " + std::string{line} + "\n");
}

void Output::error(std::string_view line) {
    // The tail of a log, at the end of a message, has its own.
    const std::string_view end = line.ends_with('\n') ? "" : "\n";
    to_stderr(red("pleat:") + " " + std::string{line} + std::string{end});
}

void Output::complaint(std::string_view text) {
    to_stderr(text);
}

void Output::done(std::string_view step, std::string_view text, std::string_view took) {
    if (style_.quiet) return;
    std::string line = green("✔") + " " + padded(step, kStepWidth);
    line += took.empty() ? std::string{text} : padded(text, kTextWidth) + std::string{took};
    note(line);
}

void Output::failed(std::string_view step, std::string_view text) {
    if (style_.quiet) return;
    note(red("✘") + " " + padded(step, kStepWidth) + std::string{text});
}

void Output::progress(std::string_view line) {
    if (!style_.terminal || style_.quiet || line == progress_) return;
    if (!progress_.empty()) notes_("\r\033[K");
    progress_ = line;
    // One column is left free: a full line would wrap on some terminals.
    if (!progress_.empty()) notes_(clipped(progress_, style_.width - 1));
}

std::string Output::green(std::string_view text) const {
    return painted("32", text);
}

std::string Output::yellow(std::string_view text) const {
    return painted("33", text);
}

std::string Output::red(std::string_view text) const {
    return painted("31", text);
}

void Output::to_stderr(std::string_view text) {
    progress({});
    notes_(text);
}

std::string Output::painted(std::string_view code, std::string_view text) const {
    if (!style_.colour) return std::string{text};
    return "\033[" + std::string{code} + "m" + std::string{text} + "\033[0m";
}

void write_to_stdout(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) stdout_failed(errno);
}

void flush_stdout() {
    if (std::fflush(stdout) != 0) stdout_failed(errno);
}

}  // namespace pleat
