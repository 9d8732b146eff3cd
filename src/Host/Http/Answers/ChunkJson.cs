using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Hearth.Runtime.Protocol;

namespace Hearth.Host.Http;

/// <summary>Serializers for the chunks of OpenAI's streams, in which some fields are null rather than absent.</summary>
internal static class ChunkJson
{
    private static readonly JsonSerializerOptions Plain = Make(alwaysUsage: false);
    private static readonly JsonSerializerOptions WithUsage = Make(alwaysUsage: true);

    /// <summary>The serializer of a chunk.</summary>
    /// <param name="includesUsage">Whether a last chunk carries the usage: all others then say null of it.</param>
    public static JsonTypeInfo<T> For<T>(bool includesUsage) => (JsonTypeInfo<T>)(includesUsage ? WithUsage : Plain).GetTypeInfo(typeof(T));

    private static JsonSerializerOptions Make(bool alwaysUsage) => new(ProtocolJson.Wire.Options)
    {
        TypeInfoResolver = ((IJsonTypeInfoResolver)ProtocolJson.Default).WithAddedModifier(type =>
        {
            foreach (var property in type.Properties)
            {
                if (type.Type == typeof(ChatDelta) && property.Name == "content")
                {
                    // The first of a choice says who speaks, and that nothing was said yet.
                    property.ShouldSerialize = static (delta, value) => value is not null || ((ChatDelta)delta).Role is not null;
                }
                else if (alwaysUsage && property.PropertyType == typeof(UsageFields))
                {
                    property.ShouldSerialize = static (_, _) => true;
                }
            }
        }),
    };
}
