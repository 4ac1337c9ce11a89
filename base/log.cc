#include "base/log.hh"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace pleat::log {

void begin(const std::string& program) {
    spdlog::set_default_logger(spdlog::stderr_color_mt(program));
}

void silence() {
    spdlog::set_level(spdlog::level::off);
}

void write(Level level, std::string_view line) {
    switch (level) {
        case Level::info:
            return spdlog::info(line);
        case Level::warning:
            return spdlog::warn(line);
        case Level::error:
            return spdlog::error(line);
    }
}

}  // namespace pleat::log
