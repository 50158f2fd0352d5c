import { crc32 } from "node:zlib";

// A file of numpy: f32 in row-major order.
export const npy = (shape, values) => {
  const described = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(", ")}), }`;
  const header = described.padEnd(Math.ceil((described.length + 11) / 64) * 64 - 11) + "\n";
  const length = Buffer.from([header.length & 255, header.length >> 8]);
  const magic = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]);
  return Buffer.concat([magic, length, Buffer.from(header, "latin1"), Buffer.from(new Float32Array(values).buffer)]);
};

// An archive of such files, as numpy writes it: stored, not compressed.
export const npz = (arrays) => {
  const [members, directory] = [[], []];
  let offset = 0;
  for (const [name, bytes] of arrays) {
    const file = Buffer.from(name + ".npy", "utf8");
    const sizes = Buffer.alloc(12);
    [crc32(bytes), bytes.length, bytes.length].forEach((value, k) => sizes.writeUInt32LE(value, 4 * k));
    // Version 2.0, names in UTF-8, stored, 1 January 1980.
    const about = Buffer.concat([Buffer.from([20, 0, 0, 8, 0, 0, 0, 0, 0x21, 0]), sizes, u16(file.length), u16(0)]);
    const member = Buffer.concat([Buffer.from("PK\x03\x04"), about, file, bytes]);
    directory.push(Buffer.concat([Buffer.from("PK\x01\x02"), u16(20), about, Buffer.alloc(10), u32(offset), file]));
    members.push(member);
    offset += member.length;
  }
  const index = Buffer.concat(directory);
  const end = Buffer.concat([Buffer.from("PK\x05\x06"), u32(0), u16(arrays.length), u16(arrays.length), u32(index.length), u32(offset), u16(0)]);
  return Buffer.concat([...members, index, end]);
};
const u16 = (value) => Buffer.from([value & 255, value >> 8]);
const u32 = (value) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
