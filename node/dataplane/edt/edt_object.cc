#include "node/dataplane/edt/edt_object.hh"

#include "base/error.hh"

namespace pleat {

struct EdtObject::Maps {};

EdtObject::EdtObject() = default;
EdtObject::EdtObject(EdtObject&&) noexcept = default;
EdtObject& EdtObject::operator=(EdtObject&&) noexcept = default;
EdtObject::~EdtObject() = default;

EdtObject EdtObject::load(const EdtSetup&) {
    throw Failure{"the edt plane's program is not built yet"};
}

}  // namespace pleat
