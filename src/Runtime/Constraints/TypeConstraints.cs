using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Text.Json.Serialization;

namespace Hearth.Runtime.Constraints;

/// <summary>Constraints of .NET types.</summary>
public static class TypeConstraints
{
    private const string NeedsReflection = "Reads the type by reflection; give options with a source-generated resolver where there is none.";

    // Up to draft 4 an integer has neither fraction nor exponent, which is all that System.Text.Json reads into one.
    private const string Draft = "http://json-schema.org/draft-04/schema#";

    // What the type can hold; more would not deserialize.
    private static readonly Dictionary<Type, (JsonNode Least, JsonNode Most)> s_ranges = new()
    {
        [typeof(sbyte)] = (sbyte.MinValue, sbyte.MaxValue),
        [typeof(byte)] = (byte.MinValue, byte.MaxValue),
        [typeof(short)] = (short.MinValue, short.MaxValue),
        [typeof(ushort)] = (ushort.MinValue, ushort.MaxValue),
        [typeof(int)] = (int.MinValue, int.MaxValue),
        [typeof(uint)] = (uint.MinValue, uint.MaxValue),
        [typeof(long)] = (long.MinValue, long.MaxValue),
        [typeof(ulong)] = (ulong.MinValue, ulong.MaxValue),
        [typeof(decimal)] = (decimal.MinValue, decimal.MaxValue),
    };

    extension(Constraint)
    {
        /// <summary>JSON that deserializes to a type with <see cref="JsonSerializerOptions.Web"/> (camel case); numbers are written as numbers.</summary>
        /// <typeparam name="T">A type that System.Text.Json can read.</typeparam>
        /// <exception cref="NotSupportedException">System.Text.Json cannot read the type.</exception>
        [RequiresUnreferencedCode(NeedsReflection)]
        [RequiresDynamicCode(NeedsReflection)]
        public static Constraint FromType<T>() => Constraint.FromType(typeof(T));

        /// <inheritdoc cref="FromType{T}"/>
        [RequiresUnreferencedCode(NeedsReflection)]
        [RequiresDynamicCode(NeedsReflection)]
        public static Constraint FromType(Type type) => Constraint.FromType(type, new JsonSerializerOptions(JsonSerializerOptions.Web) { NumberHandling = JsonNumberHandling.Strict });

        /// <summary>JSON that deserializes to a type.</summary>
        /// <remarks>Every property is written, and no other: an answer that leaves out what was asked for helps nobody.</remarks>
        /// <param name="type">The type.</param>
        /// <param name="options">How it is read.</param>
        /// <exception cref="NotSupportedException">System.Text.Json cannot read the type.</exception>
        public static Constraint FromType(Type type, JsonSerializerOptions options)
        {
            ArgumentNullException.ThrowIfNull(type);
            ArgumentNullException.ThrowIfNull(options);
            var schema = options.GetJsonSchemaAsNode(type, new JsonSchemaExporterOptions { TreatNullObliviousAsNonNullable = true, TransformSchemaNode = Complete });
            if (schema is JsonObject root)
                root.Insert(0, "$schema", Draft);
            return Constraint.JsonSchema(schema.ToJsonString());
        }
    }

    private static JsonNode Complete(JsonSchemaExporterContext context, JsonNode schema)
    {
        if (schema is not JsonObject described)
            return schema;
        if (described["properties"] is JsonObject properties)
        {
            described["required"] = new JsonArray([.. properties.Select(property => (JsonNode)property.Key)]);
            described["additionalProperties"] = false;
        }

        if (s_ranges.TryGetValue(Nullable.GetUnderlyingType(context.TypeInfo.Type) ?? context.TypeInfo.Type, out var range) && described.ContainsKey("type") && !described.ContainsKey("enum"))
        {
            described["minimum"] = range.Least.DeepClone();
            described["maximum"] = range.Most.DeepClone();
        }

        return schema;
    }
}
