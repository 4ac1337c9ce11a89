#include "cli/format.hh"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "cli/output.hh"

namespace pleat {
namespace {

using namespace std::chrono_literals;

double in_seconds(Duration time) {
    return std::chrono::duration<double>{time}.count();
}

}  // namespace

std::string text_of(Duration time) {
    constexpr std::array<std::pair<Duration, std::string_view>, 3> kUnits{
        {{1s, "s"}, {1ms, "ms"}, {1us, "us"}}};
    // Latencies are thought of in milliseconds, also when there is none.
    if (time == Duration::zero()) return "0ms";
    for (const auto& [unit, name] : kUnits) {
        if (std::chrono::abs(time) < unit) continue;
        const double amount = static_cast<double>(time.count()) / static_cast<double>(unit.count());
        return fmt::format("{:.6g}{}", amount, name);
    }
    return fmt::format("{}ns", time.count());
}

std::string text_of(Bandwidth rate) {
    if (rate.is_unlimited()) return "unlimited";
    constexpr std::array<std::pair<double, std::string_view>, 3> kUnits{
        {{1e9, "Gbit/s"}, {1e6, "Mbit/s"}, {1e3, "kbit/s"}}};
    const auto bits = static_cast<double>(rate.bits_per_second());
    for (const auto& [unit, name] : kUnits) {
        if (bits >= unit) return fmt::format("{:.4g} {}", bits / unit, name);
    }
    return fmt::format("{} bit/s", rate.bits_per_second());
}

std::string percent(Probability chance) {
    return fmt::format("{:.4g} %", chance.value() * 100.0);
}

std::string clock(Duration time) {
    const auto total = std::chrono::duration_cast<std::chrono::seconds>(time).count();
    const auto minutes = total / 60;
    if (minutes < 60) return fmt::format("{:02}:{:02}", minutes, total % 60);
    return fmt::format("{}:{:02}:{:02}", minutes / 60, minutes % 60, total % 60);
}

std::string seconds(Duration time) {
    return fmt::format("{:.1f}s", in_seconds(time));
}

std::string spoken(Duration time) {
    if (time < 1min) return seconds(time);
    const auto total = std::chrono::duration_cast<std::chrono::seconds>(time).count();
    if (time < 1h) return fmt::format("{}m{:02}s", total / 60, total % 60);
    return fmt::format("{}h{:02}m{:02}s", total / 3600, total / 60 % 60, total % 60);
}

std::string table(const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], columns(row[i]));
        }
    }
    std::string text;
    for (const auto& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) line += padded(row[i], widths[i] + 2);
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + "\n";
    }
    return text;
}

}  // namespace pleat
