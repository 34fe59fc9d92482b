/* SPDX-License-Identifier: Apache-2.0
 *
 * npz: a zip archive of NAME.npy members, stored or deflated, and one metadata.json. libzip does
 * the zip.
 *
 * A member may claim any size. A deflated byte gives at most 1032 bytes, so a larger claim is
 * refused before memory is asked for; libzip checks the CRC when the last byte has been read.
 * Archives are written stored, with a fixed date, so that equal tensors give equal files.
 */
#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "parts.h"

static const uint64_t deflate_ratio = 1032;
static const uint64_t unpacked_limit = (uint64_t)32 << 30;

/* What the members not yet read may still take. */
typedef struct budget {
    uint64_t packed, unpacked;
} budget;

/* ---- reading ---- */

/* Open an archive over the caller's bytes. NULL: not a zip. */
static zip_t *open_bytes(const unsigned char *bytes, size_t size, const char *where, gla_error *err) {
    zip_error_t why;
    zip_error_init(&why);
    zip_source_t *source = zip_source_buffer_create(bytes, size, 0, &why);
    zip_t *archive = source ? zip_open_from_source(source, ZIP_RDONLY, &why) : NULL;
    if (!archive) {
        zip_source_free(source);
        gla_fail(err, GLA_BAD_FILE, "%s: npz: %s", where, zip_error_strerror(&why));
    }
    zip_error_fini(&why);
    return archive;
}

/* Can this member be as long as it claims, and is it packed in a way we read? Takes its size off what is left. */
static gla_status check_member(const zip_stat_t *info, budget *left, const char *where, const char *shown,
                               gla_error *err) {
    const zip_uint64_t needed = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    if ((info->valid & needed) != needed)
        return gla_fail(err, GLA_BAD_FILE, "%s: member '%s' does not tell its size", where, shown);
    if (info->comp_method != ZIP_CM_STORE && info->comp_method != ZIP_CM_DEFLATE)
        return gla_fail(err, GLA_UNSUPPORTED, "%s: member '%s' is packed by method %d, stored and deflated are read",
                        where, shown, info->comp_method);
    uint64_t ratio = info->comp_method == ZIP_CM_STORE ? 1 : deflate_ratio;
    if (info->comp_size > left->packed || info->size / ratio > info->comp_size)
        return gla_fail(err, GLA_BAD_FILE, "%s: member '%s' claims %llu bytes from %llu, which cannot be", where, shown,
                        (unsigned long long)info->size, (unsigned long long)info->comp_size);
    if (info->size > left->unpacked)
        return gla_fail(err, GLA_BAD_FILE, "%s: the members unpack to more than 32 GiB", where);
    left->packed -= info->comp_size;
    left->unpacked -= info->size;
    return GLA_OK;
}

/* All of a member; malloc'ed. The read past the end makes libzip check the CRC. */
static gla_status unpack(zip_t *archive, uint64_t index, uint64_t size, const char *where, const char *shown,
                         unsigned char **bytes, gla_error *err) {
    zip_file_t *member = zip_fopen_index(archive, index, 0);
    if (!member) return gla_fail(err, GLA_BAD_FILE, "%s: member '%s': %s", where, shown, zip_strerror(archive));
    gla_status status = GLA_OK;
    *bytes = malloc(size + 1);
    if (!*bytes) status = gla_fail(err, GLA_NO_MEMORY, "%s: no memory for member '%s'", where, shown);
    uint64_t done = 0;
    zip_int64_t n = status ? -1 : 1;
    while (n > 0 && done <= size) {
        n = zip_fread(member, *bytes + done, size + 1 - done);
        if (n > 0) done += (uint64_t)n;
    }
    if (!status && n < 0)
        status = gla_fail(err, GLA_BAD_FILE, "%s: member '%s': %s", where, shown, zip_file_strerror(member));
    if (!status && done != size)
        status = gla_fail(err, GLA_BAD_FILE, "%s: member '%s' is not %llu bytes long", where, shown,
                          (unsigned long long)size);
    zip_fclose(member);
    if (!status) return GLA_OK;
    free(*bytes);
    *bytes = NULL;
    return status;
}

static gla_status read_metadata(const unsigned char *bytes, size_t size, const char *where, gla_tensor_file *out,
                                gla_error *err) {
    json_error_t why;
    json_t *object = json_loadb((const char *)bytes, size, JSON_REJECT_DUPLICATES, &why);
    if (!object) {
        gla_shown_room shown;
        return gla_fail(err, GLA_BAD_FILE, "%s: metadata.json, byte %d: %s", where, why.position,
                        gla_shown(shown, why.text));
    }
    gla_status status = gla_meta_from_json(out, object, where, err);
    json_decref(object);
    return status;
}

/* A member's bytes become a tensor (which then owns them) or metadata. */
static gla_status take_member(const char *name, unsigned char *bytes, size_t size, const char *where,
                              gla_tensor_file *out, gla_error *err) {
    gla_status status;
    if (strcmp(name, "metadata.json") == 0) {
        status = out->metas ? gla_fail(err, GLA_BAD_FILE, "%s: metadata.json is there twice", where)
                            : read_metadata(bytes, size, where, out, err);
        free(bytes);
        return status;
    }
    char *bare = strndup(name, strlen(name) - strlen(".npy"));
    status = bare ? gla_npy_parse(bytes, size, bare, bytes, where, out, err)
                  : gla_fail(err, GLA_NO_MEMORY, "%s: no memory for a name", where);
    free(bare);
    if (status) free(bytes);
    return status;
}

static gla_status read_member(zip_t *archive, uint64_t index, budget *left, const char *where, gla_tensor_file *out,
                              gla_error *err) {
    zip_stat_t info;
    if (zip_stat_index(archive, index, 0, &info) || !(info.valid & ZIP_STAT_NAME))
        return gla_fail(err, GLA_BAD_FILE, "%s: member %llu: %s", where, (unsigned long long)index,
                        zip_strerror(archive));
    gla_shown_room shown;
    gla_shown(shown, info.name);
    size_t length = strlen(info.name);
    bool npy = length > 4 && strcmp(info.name + length - 4, ".npy") == 0;
    if (!npy && strcmp(info.name, "metadata.json") != 0)
        return gla_fail(err, GLA_BAD_FILE, "%s: member '%s' is neither NAME.npy nor metadata.json", where, shown);
    gla_status status = check_member(&info, left, where, shown, err);
    if (status) return status;
    unsigned char *bytes = NULL;
    status = unpack(archive, index, info.size, where, shown, &bytes, err);
    return status ? status : take_member(info.name, bytes, info.size, where, out, err);
}

gla_status gla_npz_parse(const unsigned char *bytes, size_t size, const char *where, gla_tensor_file *out,
                         gla_error *err) {
    zip_t *archive = open_bytes(bytes, size, where, err);
    if (!archive) return GLA_BAD_FILE;
    zip_int64_t members = zip_get_num_entries(archive, 0);
    budget left = {size, unpacked_limit};
    gla_status status = GLA_OK;
    for (zip_int64_t i = 0; i < members && !status; i++)
        status = read_member(archive, (uint64_t)i, &left, where, out, err);
    zip_discard(archive);
    return status;
}

/* ---- writing ---- */

/* Add a stored member, dated 1980-01-01; takes over `bytes` (malloc'ed), also on failure. */
static bool add_bytes(zip_t *archive, const char *name, void *bytes, size_t size) {
    zip_source_t *source = zip_source_buffer(archive, bytes, size, 1);
    if (!source) {
        free(bytes);
        return false;
    }
    zip_int64_t index = zip_file_add(archive, name, source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
        zip_source_free(source);
        return false;
    }
    const zip_uint16_t first_day = 1 << 5 | 1;
    return zip_set_file_compression(archive, (zip_uint64_t)index, ZIP_CM_STORE, 0) == 0 &&
           zip_file_set_dostime(archive, (zip_uint64_t)index, 0, first_day, 0) == 0;
}

static bool add_tensor(zip_t *archive, const gla_named_tensor *x) {
    size_t header_size, size = (size_t)x->count * gla_dtype_size(x->dtype);
    char *header = gla_npy_header(x, &header_size), *name = gla_npy_member(x);
    char *bytes = header ? realloc(header, header_size + size) : NULL;
    if (!bytes) free(header);
    bool added = false;
    if (bytes && name) {
        memcpy(bytes + header_size, x->raw, size);
        added = add_bytes(archive, name, bytes, header_size + size);
    } else {
        free(bytes);
    }
    free(name);
    return added;
}

static bool add_metadata(zip_t *archive, const json_t *object) {
    char *text = json_dumps(object, JSON_INDENT(2));
    return text && add_bytes(archive, "metadata.json", text, strlen(text));
}

static bool add_members(zip_t *archive, const gla_tensor_file *file, const json_t *metadata) {
    if (file->metas && !add_metadata(archive, metadata)) return false;
    for (size_t i = 0; i < file->count; i++)
        if (!add_tensor(archive, &file->tensor[i])) return false;
    return true;
}

gla_status gla_npz_write(const char *path, const char *where, const gla_tensor_file *file, gla_error *err) {
    if (!file->metas && !file->count) /* libzip deletes an archive without members */
        return gla_fail(err, GLA_BAD_FILE, "%s: npz: there is nothing to write", where);
    json_t *metadata = gla_meta_to_json(file);
    if (!metadata) return gla_fail(err, GLA_BAD_FILE, "%s: npz: a metadata string is not UTF-8", where);
    zip_t *archive = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, NULL);
    gla_status status = GLA_OK;
    if (!archive)
        status = gla_fail(err, GLA_IO_ERROR, "%s: npz: cannot be opened for writing", where);
    else if (!add_members(archive, file, metadata))
        status = gla_fail(err, GLA_BAD_FILE, "%s: npz: a member could not be added: %s", where, zip_strerror(archive));
    else if (zip_close(archive))
        status = gla_fail(err, GLA_IO_ERROR, "%s: npz: %s", where, zip_strerror(archive));
    if (status && archive) zip_discard(archive);
    json_decref(metadata);
    return status;
}
