/* What every generated codec stands on: little-endian access that never leaves the buffer. */
#ifndef AERON_SYS_SBE_H
#define AERON_SYS_SBE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The values that the official codecs leave in errno. */
#define AERON_SYS_SBE_BUFFER_TOO_SHORT (-50100)
#define AERON_SYS_SBE_UNKNOWN_ENUM (-50103)

struct aeron_sys_sbe
{
    char *buffer;
    uint64_t buffer_length;
    uint64_t offset;
    uint64_t position;
    uint64_t acting_version;
};

static inline bool aeron_sys_sbe_fits(const struct aeron_sys_sbe *sbe, uint64_t at, uint64_t length)
{
    if (at <= sbe->buffer_length && length <= sbe->buffer_length - at)
    {
        return true;
    }
    errno = AERON_SYS_SBE_BUFFER_TOO_SHORT;
    return false;
}

static inline bool aeron_sys_sbe_wrap(
    struct aeron_sys_sbe *sbe,
    char *buffer,
    uint64_t offset,
    uint64_t block_length,
    uint64_t acting_version,
    uint64_t buffer_length)
{
    sbe->buffer = buffer;
    sbe->buffer_length = buffer_length;
    sbe->offset = offset;
    sbe->position = offset;
    sbe->acting_version = acting_version;
    if (!aeron_sys_sbe_fits(sbe, offset, block_length))
    {
        return false;
    }
    sbe->position += block_length;
    return true;
}

static inline uint64_t aeron_sys_sbe_load(const char *from, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
    {
        value |= (uint64_t)(uint8_t)from[i] << (8 * i);
    }
    return value;
}

static inline void aeron_sys_sbe_store(char *to, size_t size, uint64_t value)
{
    for (size_t i = 0; i < size; i++)
    {
        to[i] = (char)(uint8_t)(value >> (8 * i));
    }
}

static inline bool aeron_sys_sbe_get(
    const struct aeron_sys_sbe *sbe, uint64_t at, size_t size, uint64_t since, uint64_t *value)
{
    if (sbe->acting_version < since || !aeron_sys_sbe_fits(sbe, sbe->offset + at, size))
    {
        return false;
    }
    *value = aeron_sys_sbe_load(sbe->buffer + sbe->offset + at, size);
    return true;
}

static inline bool aeron_sys_sbe_set(struct aeron_sys_sbe *sbe, uint64_t at, size_t size, uint64_t value)
{
    if (!aeron_sys_sbe_fits(sbe, sbe->offset + at, size))
    {
        return false;
    }
    aeron_sys_sbe_store(sbe->buffer + sbe->offset + at, size, value);
    return true;
}

/* The length of the data at the position: 0 where there is none, or where it would run past the buffer. */
static inline uint32_t aeron_sys_sbe_data_length(const struct aeron_sys_sbe *sbe, uint64_t since)
{
    if (sbe->acting_version < since || !aeron_sys_sbe_fits(sbe, sbe->position, sizeof(uint32_t)))
    {
        return 0;
    }
    const uint64_t length = aeron_sys_sbe_load(sbe->buffer + sbe->position, sizeof(uint32_t));
    return aeron_sys_sbe_fits(sbe, sbe->position + sizeof(uint32_t), length) ? (uint32_t)length : 0;
}

/* Moves past the data at the position and tells where it is: NULL where there is none. */
static inline const char *aeron_sys_sbe_take_data(struct aeron_sys_sbe *sbe, uint64_t since, size_t *length)
{
    *length = aeron_sys_sbe_data_length(sbe, since);
    if (sbe->acting_version < since || !aeron_sys_sbe_fits(sbe, sbe->position, sizeof(uint32_t) + *length))
    {
        return NULL;
    }
    const char *data = sbe->buffer + sbe->position + sizeof(uint32_t);
    sbe->position += sizeof(uint32_t) + *length;
    return data;
}

static inline bool aeron_sys_sbe_put_data(struct aeron_sys_sbe *sbe, const char *data, uint32_t length)
{
    if (!aeron_sys_sbe_fits(sbe, sbe->position, sizeof(uint32_t) + (uint64_t)length))
    {
        return false;
    }
    aeron_sys_sbe_store(sbe->buffer + sbe->position, sizeof(uint32_t), length);
    if (0 < length)
    {
        memcpy(sbe->buffer + sbe->position + sizeof(uint32_t), data, length);
    }
    sbe->position += sizeof(uint32_t) + (uint64_t)length;
    return true;
}

#endif
