using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;

namespace Hearth.Runtime.Constraints;

/// <summary>Constraints of .NET types.</summary>
public static class TypeConstraints
{
    private const string NeedsReflection = "Reads the type by reflection; give options with a source-generated resolver where there is none.";

    extension(Constraint)
    {
        /// <summary>JSON that deserializes to a type with <see cref="JsonSerializerOptions.Web"/> (camel case).</summary>
        /// <typeparam name="T">A type that System.Text.Json can read.</typeparam>
        /// <exception cref="NotSupportedException">System.Text.Json cannot read the type.</exception>
        [RequiresUnreferencedCode(NeedsReflection)]
        [RequiresDynamicCode(NeedsReflection)]
        public static Constraint FromType<T>() => Constraint.FromType(typeof(T));

        /// <inheritdoc cref="FromType{T}"/>
        [RequiresUnreferencedCode(NeedsReflection)]
        [RequiresDynamicCode(NeedsReflection)]
        public static Constraint FromType(Type type) => Constraint.FromType(type, JsonSerializerOptions.Web);

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
            return Constraint.JsonSchema(schema.ToJsonString());
        }
    }

    private static JsonNode Complete(JsonSchemaExporterContext context, JsonNode schema)
    {
        if (schema is JsonObject described && described["properties"] is JsonObject properties)
        {
            described["required"] = new JsonArray([.. properties.Select(property => (JsonNode)property.Key)]);
            described["additionalProperties"] = false;
        }

        return schema;
    }
}
