// log: what a daemon says while it runs, a line each on stderr. spdlog writes it, and only log.cc
// sees that: its headers cost each file that includes them a second of the compiler's time.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>

namespace pleat::log {

enum class Level { info, warning, error };

// The program's name stands in every line. Once, by main(), before the first line.
void begin(const std::string& program);

// Nothing more is written: for tests of what goes wrong.
void silence();

void write(Level level, std::string_view line);

template <typename... Values>
void info(fmt::format_string<Values...> form, Values&&... values) {
    write(Level::info, fmt::format(form, std::forward<Values>(values)...));
}

template <typename... Values>
void warn(fmt::format_string<Values...> form, Values&&... values) {
    write(Level::warning, fmt::format(form, std::forward<Values>(values)...));
}

template <typename... Values>
void error(fmt::format_string<Values...> form, Values&&... values) {
    write(Level::error, fmt::format(form, std::forward<Values>(values)...));
}

}  // namespace pleat::log
